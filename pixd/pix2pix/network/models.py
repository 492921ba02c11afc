"""The generator and the discriminator of pix2pix, from stock Keras layers only.

So a saved generator loads with plain `keras.models.load_model`, without pixd.

Promises the U-Net and the 70x70 PatchGAN of the paper with instance statistics
(`GroupNormalization(groups=-1)`). At batch 1 these equal the batch normalisation that the paper
trained and tested with. They are the same in training and in inference, and do not depend on the
rest of the batch. There is no normalisation on the first layer, on the output, or where the image
is 1x1: there it would subtract the value from itself, and the layer would be zero.

Shapes are NHWC, values in [-1, 1].

Source: Isola et al. 2017, arXiv:1611.07004, section 6.1 (and its erratum on 1x1 norms).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import tensorflow as tf

from pixd.pix2pix.network import cpu_layers
from pixd.pix2pix.network.replicas import SpreadDropout

MAX_LEVELS: Final = 8  # paper: 256 px goes down to 1x1 in eight halvings
MAX_WIDTH: Final = 8  # widest layer, in multiples of ngf or ndf
MIN_IMAGE_PX: Final = 32
MAX_IMAGE_PX: Final = 1024
DROPOUT_RATE: Final = 0.5
DROPOUT_LAYERS: Final = 3  # the three innermost layers of the decoder
NEGATIVE_SLOPE: Final = 0.2  # Keras' own default is 0.3
NORM_EPSILON: Final = 1e-5
INIT_STDDEV: Final = 0.02
KERNEL_PX: Final = 4
RGB_TO_RGB: Final = (3, 3)  # channels of the input image and of the output

FLOAT32: Final = "float32"
MIXED_BFLOAT16: Final = "mixed_bfloat16"  # bfloat16 arithmetic, float32 variables
MIXED_FLOAT16: Final = "mixed_float16"  # its small range needs a scaled loss

Tensor = Any  # keras.KerasTensor while building, tf.Tensor while running: neither is typed


def levels_of(image_size: int) -> int:
    """Return how many times the encoder halves an image of `image_size` pixels.

    Args:
        image_size: side in pixels, a power of two, 32..1024.

    Returns:
        log2(image_size), at most `MAX_LEVELS`; above 256 px the innermost image is 2x2 or 4x4.

    Raises:
        ValueError: `image_size` is no power of two or out of range.
    """
    if image_size & (image_size - 1) or not MIN_IMAGE_PX <= image_size <= MAX_IMAGE_PX:
        raise ValueError(
            f"image_size must be a power of two, {MIN_IMAGE_PX}..{MAX_IMAGE_PX}, not {image_size}"
        )
    return min(image_size.bit_length() - 1, MAX_LEVELS)


def widths_of(image_size: int, base: int) -> list[int]:
    """Return the channels of every encoder level, outermost first: 1, 2, 4, 8, 8, ... x `base`."""
    return [base * min(1 << level, MAX_WIDTH) for level in range(levels_of(image_size))]


def build_generator(
    image_size: int = 256, ngf: int = 64, *, channels: tuple[int, int] = RGB_TO_RGB, seed: int = 0
) -> keras.Model:
    """Build the U-Net: halve to the innermost image, double back, with skips.

    Decoder order: ReLU, transposed convolution, norm, dropout, concatenation with the skip.
    Dropout is on the three innermost decoder layers, if they have the full width of 8 x ngf. At
    256 px these are the outputs of size 2, 4 and 8, as in the paper; at 64 px two of them; at
    32 px one. A narrow layer has too few channels to drop some.

    Args:
        image_size: side in pixels, a power of two, 32..1024.
        ngf: channels of the first layer.
        channels: of the input image and of the output.
        seed: of the initial weights and of the dropout masks.

    Returns:
        A functional model, (batch, image_size, image_size, channels) in [-1, 1]. For RGB at 256 px
        and ngf 64 it has 54,413,955 trainable parameters. As in the paper's code, only the last
        layer has a bias; in the others, the offset of the norm replaces it.

    Raises:
        ValueError: see `levels_of`.
    """
    make = _Layers(seed)
    widths = widths_of(image_size, ngf)
    innermost = len(widths) - 1
    input_image = keras.Input((image_size, image_size, channels[0]), name="input_image")

    skips: list[Tensor] = []
    x: Tensor = input_image
    for level, width in enumerate(widths):
        if level:
            x = make.leaky_relu(f"down{level + 1}_act")(x)
        x = make.down(width, f"down{level + 1}", use_bias=False)(x)
        if level and image_size >> (level + 1) > 1:
            x = make.norm(f"down{level + 1}_norm")(x)
        skips.append(x)

    for depth, level in enumerate(range(innermost - 1, -1, -1), start=1):
        x = make.relu(f"up{depth}_act")(x)
        x = make.up(widths[level], f"up{depth}")(x)
        x = make.norm(f"up{depth}_norm")(x)
        if depth <= DROPOUT_LAYERS and widths[level] == ngf * MAX_WIDTH:
            x = make.dropout(f"up{depth}_dropout")(x)
        x = keras.layers.Concatenate(name=f"up{depth}_skip")([x, skips[level]])

    x = make.relu("output_act")(x)
    x = make.up(channels[1], "output_conv", use_bias=True)(x)
    # float32 with every policy: near 1, bfloat16 has steps of 1/128, coarser than 8-bit colour.
    gen_output = keras.layers.Activation("tanh", name="gen_output", dtype=FLOAT32)(x)
    return keras.Model(input_image, gen_output, name="generator")


def build_discriminator(
    image_size: int = 256, ndf: int = 64, *, channels: tuple[int, int] = RGB_TO_RGB, seed: int = 0
) -> keras.Model:
    """Build the PatchGAN: each logit judges one 70x70 patch of (input image, image).

    Args:
        image_size: side in pixels; at 256 the logits are 30x30, at 32 they are 2x2.
        ndf: channels of the first layer.
        channels: of the input image and of the judged image.
        seed: of the initial weights.

    Returns:
        A functional model of [input_image, image] in [-1, 1] to (batch, n, n, 1) float32 logits,
        n = image_size / 8 - 2. For RGB and ndf 64 it has 2,768,705 trainable parameters.

    Raises:
        ValueError: see `levels_of`.
    """
    levels_of(image_size)
    make = _Layers(seed + 1_000_003)  # so that one seed gives other weights than in the generator
    input_image = keras.Input((image_size, image_size, channels[0]), name="input_image")
    image = keras.Input((image_size, image_size, channels[1]), name="image")
    x: Tensor = keras.layers.Concatenate(name="pair")([input_image, image])
    x = make.down(ndf, "conv1", use_bias=True)(x)
    x = make.leaky_relu("conv1_act")(x)
    for index, width in enumerate((2 * ndf, 4 * ndf), start=2):
        x = make.down(width, f"conv{index}", use_bias=False)(x)
        x = make.norm(f"conv{index}_norm")(x)
        x = make.leaky_relu(f"conv{index}_act")(x)
    x = make.pad("conv4_pad")(x)
    x = make.same_size(8 * ndf, "conv4", use_bias=False)(x)
    x = make.norm("conv4_norm")(x)
    x = make.leaky_relu("conv4_act")(x)
    x = make.pad("conv5_pad")(x)
    x = make.same_size(1, "conv5", use_bias=True)(x)
    logits = keras.layers.Activation("linear", name="logits", dtype=FLOAT32)(x)
    return keras.Model([input_image, image], logits, name="discriminator")


def for_computing(model: keras.Model, policy: str) -> keras.Model:
    """Return the same network with the same weights, in the form that the hardware computes best.

    Args:
        model: from `build_generator`, `build_discriminator` or a model folder.
        policy: Keras dtype policy of every layer but the last, which stays float32. Variables
            are float32 with any policy, so the weights are the same numbers.
    """
    is_on_gpu = bool(tf.config.get_visible_devices("GPU"))

    def computed_by(layer: keras.Layer) -> type[keras.Layer]:
        if type(layer) is keras.layers.Dropout and tf.distribute.has_strategy():
            return SpreadDropout
        return type(layer) if is_on_gpu else cpu_layers.computed_by(layer)

    return _relayered(model, policy, computed_by)


def for_saving(model: keras.Model) -> keras.Model:
    """Return the same network with the same weights, in float32 and of stock Keras layers only."""

    def stock_of(layer: keras.Layer) -> type[keras.Layer]:
        is_spread = type(layer) is SpreadDropout
        stock: type[keras.Layer] = keras.layers.Dropout if is_spread else cpu_layers.stock_of(layer)
        return stock

    return _relayered(model, FLOAT32, stock_of)


def _relayered(
    model: keras.Model, policy: str, class_of: Callable[[keras.Layer], type[keras.Layer]]
) -> keras.Model:
    def relayer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name not in ("gen_output", "logits"):
            config["dtype"] = policy
        made = class_of(layer).from_config(config)
        if hasattr(made, "kernel_initializer"):
            # Else 54 million random numbers would be drawn here, and overwritten below.
            made.kernel_initializer = keras.initializers.Zeros()
        return made

    clone = keras.models.clone_model(model, clone_function=relayer)
    for weight, copy in zip(model.weights, clone.weights, strict=True):
        copy.assign(
            weight.value
        )  # the same memory until one of them changes; numpy would copy twice
    for layer, made in zip(model.layers, clone.layers, strict=True):
        if hasattr(made, "kernel_initializer"):
            made.kernel_initializer = layer.kernel_initializer
    return clone


def parameter_count(model: keras.Model) -> int:
    """Return the number of trainable parameters."""
    return sum(int(variable.numpy().size) for variable in model.trainable_variables)


class _Layers:
    """The paper's layers with its initial values; every layer has a seed of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed * 1_000

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed

    def _kernel(self) -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(0.0, INIT_STDDEV, seed=self._next_seed())

    def down(self, width: int, name: str, *, use_bias: bool) -> keras.Layer:
        """Halve: "same" at kernel 4, stride 2 on an even size is the paper's padding of 1."""
        return keras.layers.Conv2D(
            width,
            KERNEL_PX,
            strides=2,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=self._kernel(),
            name=name,
        )

    def pad(self, name: str) -> keras.Layer:
        """Add one pixel on each side; "same" at kernel 4, stride 1 would add 1 and 2."""
        return keras.layers.ZeroPadding2D(1, name=name)

    def same_size(self, width: int, name: str, *, use_bias: bool) -> keras.Layer:
        """Keep the size except for one pixel, which `pad` does not replace."""
        return keras.layers.Conv2D(
            width,
            KERNEL_PX,
            use_bias=use_bias,
            kernel_initializer=self._kernel(),
            name=name,
        )

    def up(self, width: int, name: str, *, use_bias: bool = False) -> keras.Layer:
        """Double the size; "same" is again a padding of 1."""
        return keras.layers.Conv2DTranspose(
            width,
            KERNEL_PX,
            strides=2,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=self._kernel(),
            name=name,
        )

    def norm(self, name: str) -> keras.Layer:
        """Instance statistics; Keras computes them in float32 with every policy."""
        return keras.layers.GroupNormalization(
            groups=-1,
            epsilon=NORM_EPSILON,
            gamma_initializer=keras.initializers.RandomNormal(
                1.0, INIT_STDDEV, seed=self._next_seed()
            ),
            name=name,
        )

    def dropout(self, name: str) -> keras.Layer:
        return keras.layers.Dropout(DROPOUT_RATE, seed=self._next_seed(), name=name)

    def leaky_relu(self, name: str) -> keras.Layer:
        return keras.layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE, name=name)

    def relu(self, name: str) -> keras.Layer:
        return keras.layers.ReLU(name=name)
