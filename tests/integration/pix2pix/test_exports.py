"""A generator in other formats, computed by their own runtimes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.pix2pix.network.model_folder import GENERATOR_FILE
from pixd.system.children.spec_parts import Pair
from pixd.system.errors import PixdError
from tests.support.kept import kept

SIZE = 32
SHAPES = {"rgb": (3, 3), "lab": (1, 2)}


@pytest.fixture(scope="module", params=list(SHAPES))
def generator(request: pytest.FixtureRequest) -> Any:
    """Return a generator whose norms are not the ones that it begins with."""
    from pixd.pix2pix.network import models

    made = models.build_generator(SIZE, 4, channels=SHAPES[request.param])
    random = np.random.default_rng(1)
    made.set_weights(
        [
            value + random.normal(0, 0.05, value.shape).astype(np.float32)
            for value in made.get_weights()
        ]
    )
    return made


@pytest.fixture(scope="module")
def trial(generator: Any) -> Any:
    from pixd.pix2pix.exports.trial import Trial
    from pixd.pix2pix.network import models

    return Trial(models.for_computing(generator, "float32"), [], {}, are_held_out=False)


def test_the_examples_of_a_page_keep_the_colours_of_label_maps_and_the_check_does_not(
    generator: Any, tmp_path: Path
) -> None:
    from pixd.pix2pix.exports.trial import Trial
    from pixd.pix2pix.network import models

    side = np.arange(100)
    colours = np.array([(0, 0, 170), (255, 85, 0), (0, 170, 255)], np.uint8)
    labels = colours[(side[:, None] + 2 * side) // 20 % 3]
    Image.fromarray(np.hstack([labels, labels])).save(tmp_path / "one.png")
    pair: Pair = {"name": "one.png", "images": [str(tmp_path / "one.png")], "digests": []}
    recipe = {"pairs": "side-by-side", "direction": "AtoB", "fit": "pad"}
    made = Trial(models.for_computing(generator, "float32"), [pair], recipe, are_held_out=True)
    found = [len(np.unique(one.reshape(-1, 3), axis=0)) for one in (*made.drawn, *made.inputs)]
    assert found[0] == 3 < found[1]


@pytest.mark.parametrize(
    ("format_", "weights"),
    [
        ("onnx", "float32"),
        ("onnx", "float16"),
        ("onnx", "int8"),
        ("openvino", "float32"),
        ("openvino", "int8"),
        pytest.param("litert", "float32", marks=pytest.mark.slow),
        pytest.param("litert", "float16", marks=pytest.mark.slow),
    ],
)
def test_a_format_draws_what_pixd_draws_and_has_the_same_bytes_twice(
    generator: Any, trial: Any, tmp_path: Path, format_: str, weights: str
) -> None:
    from pixd.pix2pix.exports.formats import Writer
    from pixd.pix2pix.exports.runtimes import LOADERS
    from pixd.pix2pix.network import models

    if format_ == "openvino":
        pytest.importorskip("pixd.pix2pix.exports.openvino_runtime")
    made = []
    for name in ("one", "other"):
        target = tmp_path / name
        target.mkdir()
        stock = models.for_saving(generator)
        kept(stock, tmp_path)
        writer = Writer(stock, tmp_path / GENERATOR_FILE, target, tmp_path, weights)
        made.append(writer.write(format_))
    for path in sorted(made[0].parent.iterdir()):
        assert path.read_bytes() == (made[1].parent / path.name).read_bytes(), path.name
    loaded = LOADERS[format_](made[0])
    assert loaded is not None
    found = trial.measure(loaded.run)
    assert found.is_repeatable
    assert found.trouble(weights) == ""
    if weights == "float32":
        assert found.largest <= 1
        assert found.share < 0.01


def test_openvinos_cache_draws_with_the_new_weights_where_only_files_that_differ_were_copied(
    tmp_path: Path,
) -> None:
    openvino = pytest.importorskip("pixd.pix2pix.exports.openvino_runtime").openvino
    from pixd.pix2pix.exports.formats import Writer
    from pixd.pix2pix.network import models

    (served := tmp_path / "served").mkdir()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    image = np.ones((1, SIZE, SIZE, 3), np.float32)
    for second in (1, 2):
        (made := tmp_path / f"made-{second}").mkdir()
        generator = models.build_generator(SIZE, 4, channels=SHAPES["rgb"])
        random = np.random.default_rng(second)
        generator.set_weights(
            [weight + random.normal(0, 0.05, weight.shape) for weight in generator.get_weights()]
        )
        kept(generator, tmp_path)
        Writer(generator, tmp_path / GENERATOR_FILE, made, tmp_path, "float32").write("openvino")
        for file in made.iterdir():
            there = served / file.name
            if not there.exists() or file.read_bytes() != there.read_bytes():
                there.write_bytes(file.read_bytes())
                os.utime(there, (0, second))  # OpenVINO looks at whole seconds
        drawn = []
        for cache in ({"CACHE_DIR": str(tmp_path / "cache")}, {}):
            compiled = openvino.Core().compile_model(served / "model.xml", "CPU", settings | cache)
            drawn.append(compiled(image)[0])
        assert np.array_equal(*drawn)


def test_few_bits_where_images_are_small_are_smaller_and_agree(
    generator: Any, trial: Any, tmp_path: Path
) -> None:
    from pixd.pix2pix.exports import runtimes
    from pixd.pix2pix.network import onnx_graph

    stock = kept(generator, tmp_path)
    sides = onnx_graph.sides_of(stock)
    assert sides["down1"] == sides["output_conv"] == SIZE
    assert min(sides.values()) == 2
    mixed = onnx_graph.build(stock, lambda name: "int8" if sides[name] <= 8 else "float16")
    half = onnx_graph.build(stock, lambda _: "float16")
    assert mixed.ByteSize() < half.ByteSize()
    path = tmp_path / "mixed.onnx"
    path.write_bytes(mixed.SerializeToString())
    loaded = runtimes.load_onnx(path)
    assert loaded is not None
    # One colour channel may move by more: L*a*b* to sRGB is steep where a colour is dark.
    assert trial.measure(loaded.run).mean < 1


def test_quantized_weights_are_within_half_a_step_and_zeros_stay_zeros() -> None:
    from pixd.pix2pix.network.onnx_graph import quantize

    values = np.random.default_rng(0).normal(0, 0.02, (5, 7, 4, 4)).astype(np.float32)
    values[2] = 0
    for most in (127, 31, 15):
        steps, scale = quantize(values, 0, most)
        assert np.abs(steps).max() == most
        error = np.abs(steps * scale[:, None, None, None] - values)
        assert (error <= scale[:, None, None, None] * 0.5001).all()
        assert not steps[2].any()


def test_a_model_that_draws_something_else_is_refused_in_one_line(trial: Any) -> None:
    def run(values: Any) -> Any:
        shape = (*values.shape[:3], trial.codec.output_channels)
        return np.full(shape, 0.9, np.float32)

    with pytest.raises(PixdError, match="onnx draws other pictures than pixd, by") as refused:
        trial.agreement("onnx", run, "float32")
    assert "\n" not in refused.value.message
    with pytest.raises(PixdError, match="on average"):
        trial.agreement("onnx", run, "int8")
    with pytest.raises(PixdError, match="not finite"):
        trial.agreement("onnx", lambda values: run(values) * np.nan, "int8")


def test_a_page_that_cannot_draw_ends_the_check_at_once_and_says_why(
    trial: Any, tmp_path: Path
) -> None:
    from pixd.pix2pix.exports import browser_check

    browser = tmp_path / "browser"  # what a page does that met trouble
    browser.write_text(
        f"""#!{sys.executable}
import os, sys, time, urllib.parse, urllib.request
open({str(tmp_path / "group")!r}, "w").write(str(os.getpgid(0)))
address = urllib.parse.urljoin(sys.argv[-1], "check/trouble")
urllib.request.urlopen(urllib.request.Request(address, b"no WebAssembly here", method="POST"))
time.sleep(600)
"""
    )
    browser.chmod(0o700)
    with pytest.raises(PixdError, match=r"did not draw in .*: no WebAssembly here"):
        browser_check.run(str(browser), tmp_path, trial, tmp_path)
    # Whoever ends the export by its group ends the browser too.
    assert int((tmp_path / "group").read_text()) == os.getpgid(0)
