"""The networks are the paper's: sizes, patches, what mixes and what does not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pixd.pix2pix.learning import scores
from pixd.pix2pix.network import generator as generation
from pixd.pix2pix.network import models, small_convolutions


def test_parameter_counts_are_the_papers() -> None:
    generator = models.build_generator(256, 64)
    discriminator = models.build_discriminator(256, 64)
    assert models.parameter_count(generator) == 54_413_955
    assert models.parameter_count(discriminator) == 2_768_705
    assert discriminator.output_shape == (None, 30, 30, 1)


def test_one_logit_sees_seventy_by_seventy_pixels() -> None:
    def without_norm(layer: keras.Layer) -> keras.Layer:
        # A norm's statistics see the whole image; the patch is what the convolutions see.
        if isinstance(layer, keras.layers.GroupNormalization):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    built = models.build_discriminator(256, 4)
    discriminator = keras.models.clone_model(built, clone_function=without_norm)
    for variable in discriminator.trainable_variables:
        variable.assign(np.abs(variable.numpy()) + 0.01)  # so that nothing cancels
    image = tf.ones((1, 256, 256, 3))
    with tf.GradientTape() as tape:
        tape.watch(image)
        logit = discriminator([image, image])[0, 15, 15, 0]
    seen = np.abs(tape.gradient(logit, image).numpy()).sum(axis=(0, 3)) > 0
    assert seen.any(axis=1).sum() == 70
    assert seen.any(axis=0).sum() == 70


@pytest.mark.parametrize(("image_size", "dropouts"), [(32, 1), (64, 2), (128, 3), (256, 3)])
def test_small_images_have_fewer_levels_and_dropouts(image_size: int, dropouts: int) -> None:
    generator = models.build_generator(image_size, 4)
    names = [layer.name for layer in generator.layers]
    assert generator.output_shape == (None, image_size, image_size, 3)
    assert sum(name.endswith("_dropout") for name in names) == dropouts
    assert "down1_norm" not in names
    assert f"down{models.levels_of(image_size)}_norm" not in names


def test_large_images_stop_at_eight_levels_and_keep_the_innermost_norm() -> None:
    generator = models.build_generator(512, 4)
    names = [layer.name for layer in generator.layers]
    assert generator.get_layer("down8").output.shape == (None, 2, 2, 32)
    assert "down8_norm" in names
    assert "down9" not in names


@pytest.mark.parametrize("image_size", [0, 16, 100, 2048])
def test_a_size_that_is_no_power_of_two_in_range_is_refused(image_size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        models.build_generator(image_size)


def test_the_same_seed_builds_the_same_weights() -> None:
    one, same, other = (models.build_generator(32, 4, seed=seed) for seed in (1, 1, 2))
    assert _weights(one) == _weights(same) != _weights(other)


def test_eight_images_in_a_batch_give_what_they_give_alone() -> None:
    generator = models.build_generator(32, 8)
    infer = generation.make_inference(generator)
    images = list(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8))
    together = generation.generate(infer, images)
    alone = [generation.generate(infer, [image])[0] for image in images]
    difference = np.abs(np.stack(together).astype(int) - np.stack(alone)).max()
    assert difference <= 1


def test_bfloat16_computes_the_same_picture_from_float32_variables() -> None:
    generator = models.build_generator(32, 8)
    half = models.for_computing(generator, models.MIXED_BFLOAT16)
    assert {variable.dtype for variable in half.trainable_variables} == {"float32"}
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    exact, rounded = generator(image, training=False), half(image, training=False)
    assert rounded.dtype == tf.float32
    assert float(tf.reduce_max(tf.abs(exact - rounded))) < 0.05


def test_a_saved_generator_loads_without_pixd(tmp_path: Path) -> None:
    generator = models.for_computing(models.build_generator(32, 4), models.MIXED_BFLOAT16)
    generation.save_model(generator, tmp_path, {})
    loaded: Any = keras.models.load_model(tmp_path / "generator.keras", compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    assert loaded.dtype_policy.name == "float32"
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    expected = models.for_saving(generator)(image, training=False)
    assert np.array_equal(loaded(image, training=False), expected)


def test_a_saved_generator_does_not_say_when_it_was_saved(tmp_path: Path) -> None:
    generation.save_model(models.build_generator(32, 4), tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generator.keras", "model.json"]
    with zipfile.ZipFile(tmp_path / "generator.keras") as archive:
        names = [entry.filename for entry in archive.infolist()]
        assert names == ["metadata.json", "config.json", "model.weights.h5"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata == {"keras_version": keras.__version__}


def test_ssim_is_tensorflows() -> None:
    random = np.random.default_rng(0)
    target = random.integers(0, 256, (48, 40, 3), dtype=np.uint8)
    output = np.clip(target + random.normal(0, 30, target.shape), 0, 255).astype(np.uint8)
    expected = tf.image.ssim(tf.constant(output), tf.constant(target), max_val=255)
    assert scores.ssim(output, target) == pytest.approx(float(expected), abs=1e-5)


def _weights(model: keras.Model) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in model.trainable_variables]


@pytest.mark.parametrize("image_size", [32, 64])
def test_small_convolutions_compute_what_the_stock_layers_do(image_size: int) -> None:
    stock = models.build_generator(image_size, 8)
    computing = models.for_computing(stock, models.FLOAT32)
    assert {"SmallConv2D", "SmallConv2DTranspose"} <= _kinds(computing)
    image = np.random.default_rng(0).uniform(-1, 1, (2, image_size, image_size, 3))
    _compare(stock, computing, [image.astype(np.float32)])


@pytest.mark.parametrize("policy", [models.FLOAT32, models.MIXED_BFLOAT16])
@pytest.mark.parametrize("kind", ["SmallConv2D", "SmallConv2DTranspose"])
def test_a_small_convolution_gives_an_image_the_same_whatever_the_batch(
    kind: str, policy: str
) -> None:
    layer = getattr(small_convolutions, kind)(
        64, 4, strides=2, padding="same", use_bias=False, dtype=policy
    )
    for side in (2, 4, 8):
        values = np.random.default_rng(side).normal(size=(8, side, side, 64))
        images = tf.cast(values, layer.compute_dtype)
        signature = [tf.TensorSpec((None, *images.shape[1:]), images.dtype)]
        compute = tf.function(layer, input_signature=signature)
        alone = tf.concat([compute(images[at : at + 1]) for at in range(8)], axis=0)
        for batch in (2, 4, 8):
            apart = tf.cast(compute(images[:batch]) - alone[:batch], tf.float32)
            # Not to the bit on every processor: the translator looks at the bytes of each batch.
            assert np.abs(apart.numpy()).max() <= (1e-5 if policy == models.FLOAT32 else 2e-2)


@pytest.mark.parametrize(
    ("kind", "products"),
    [("SmallConv2D", {2: 1, 4: 2, 8: 8}), ("SmallConv2DTranspose", {2: 2, 4: 8, 8: 8})],
)
def test_products_apart_have_the_rows_that_they_have_for_one_image(
    kind: str, products: dict[int, int]
) -> None:
    layer = getattr(small_convolutions, kind)(64, 4, strides=2, padding="same")

    def apart(images: tf.Tensor) -> Any:
        with small_convolutions.apart():
            return layer(images)

    for side, expected in products.items():
        images = tf.random.stateless_normal((8, side, side, 64), (side, 0))
        signature = [tf.TensorSpec((None, side, side, 64), tf.float32)]
        alone = tf.function(layer, input_signature=signature)
        together = tf.function(apart)
        graph = together.get_concrete_function(images).graph
        assert len(multiplied(graph)) == expected
        assert len(multiplied(alone.get_concrete_function().graph)) == 1
        each = tf.concat([alone(images[at : at + 1]) for at in range(8)], axis=0)
        assert (together(images).numpy() == each.numpy()).all()


def multiplied(graph: Any) -> list[Any]:
    """Return the products of a graph, those inside its functions too."""
    inner = [function.graph for function in graph._functions.values() if hasattr(function, "graph")]
    return [op for one in (graph, *inner) for op in one.get_operations() if op.type == "MatMul"]


@pytest.mark.parametrize("count", [3, 16, 64])
@pytest.mark.parametrize("policy", ["float32", "bfloat16"])
def test_the_product_with_a_transposed_kernel_is_the_same_up_to_rounding(
    count: int, policy: str
) -> None:
    random = np.random.default_rng(0)
    rows, kernel = (
        tf.cast(random.normal(size=(height, 128)), policy) for height in (count, 16 * 32)
    )
    expected = tf.matmul(rows, kernel, transpose_b=True).numpy().astype(np.float32)
    found = small_convolutions._filled(small_convolutions._times_transposed, rows, kernel)
    apart = np.abs(found.numpy().astype(np.float32) - expected).max()
    assert apart <= (1e-5 if policy == "float32" else 1e-2) * np.abs(expected).max()


def test_laying_patches_is_the_gradient_of_cutting_them() -> None:
    random = np.random.default_rng(0)
    image = tf.constant(random.normal(size=(2, 8, 6, 5)), tf.float32)
    patches = tf.constant(random.normal(size=(2, 4, 3, 4, 4, 5)), tf.float32)
    for told, derived, value, upstream in (
        (small_convolutions._cut, small_convolutions._patches_of, image, patches),
        (small_convolutions._lay, small_convolutions._image_of, patches, image),
    ):
        gradients = []
        for compute in (told, derived):
            with tf.GradientTape() as tape:
                tape.watch(value)
                made = compute(value)
            gradients.append(tape.gradient(made, value, output_gradients=upstream).numpy())
        assert np.abs(gradients[0] - gradients[1]).max() <= 1e-5


@pytest.mark.parametrize("image_size", [64, 256])
def test_layers_for_one_image_compute_what_the_stock_layers_do(image_size: int) -> None:
    stock = models.build_discriminator(image_size, 8)
    computing = models.for_computing(stock, models.FLOAT32)
    assert {"OneImageNorm", "OneImageConv2D"} <= _kinds(computing)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, 1, image_size, image_size, 3)).astype(np.float32)
    _compare(stock, computing, list(images), training=True)


@pytest.mark.parametrize("how", [(1, False), (2, False), (2, True)])
def test_they_are_the_stock_layers_for_more_images_and_without_training(
    how: tuple[int, bool],
) -> None:
    batch, training = how
    stock = models.build_discriminator(64, 8)
    computing = models.for_computing(stock, models.FLOAT32)
    images = list(np.random.default_rng(0).uniform(-1, 1, (2, batch, 64, 64, 3)))
    expected, found = (model(images, training=training).numpy() for model in (stock, computing))
    assert np.array_equal(expected, found)


def test_a_large_or_narrow_convolution_is_not_cut_into_patches() -> None:
    for image_size, ndf in ((512, 8), (64, 4)):
        built = models.build_discriminator(image_size, ndf)
        assert "OneImageConv2D" not in _kinds(models.for_computing(built, models.FLOAT32))


def test_what_is_saved_has_the_stock_layers_and_the_same_weights() -> None:
    stock = models.build_generator(32, 8)
    again = models.for_saving(models.for_computing(stock, models.MIXED_BFLOAT16))
    assert [layer.get_config() for layer in again.layers] == [
        layer.get_config() for layer in stock.layers
    ]
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in stock.layers]
    assert _weights(again) == _weights(stock)


def _kinds(model: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in model.layers}


def _compare(
    stock: keras.Model, computing: keras.Model, images: list[Any], *, training: bool = False
) -> None:
    """Compare outputs, and the gradients of all weights and of the images."""
    found = [_value_and_gradients(model, images, training=training) for model in (stock, computing)]
    names = ["output", *(v.path for v in stock.trainable_variables), *("image" for _ in images)]
    for name, expected, got in zip(names, *found, strict=True):
        largest = np.abs(expected).max()
        assert np.abs(expected - got).max() <= 1e-4 * largest, name


def _value_and_gradients(model: keras.Model, images: list[Any], *, training: bool) -> list[Any]:
    tensors = [tf.constant(image) for image in images]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        output = model(tensors if len(tensors) > 1 else tensors[0], training=training)
        weights = np.random.default_rng(1).normal(size=output.shape).astype(np.float32)
        loss = tf.reduce_sum(output * weights)
    wanted = [*(variable.value for variable in model.trainable_variables), *tensors]
    return [output.numpy(), *(g.numpy() for g in tape.gradient(loss, wanted))]
