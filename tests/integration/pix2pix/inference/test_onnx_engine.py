"""A model that ONNX Runtime computes: what Keras computes, and the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pixd.pix2pix.inference import engines
from pixd.pix2pix.network import hardware
from pixd.pix2pix.network.model_folder import GENERATOR_FILE
from pixd.system import machine
from pixd.system.children.spec import TranslateSpec
from tests.support.children import BARE
from tests.support.kept import kept

SIZE = 64
SHAPES = {"rgb": (3, 3), "lab": (1, 2)}
RECIPE = {"sample": False, "seed": 0}


@pytest.fixture(scope="module", params=list(SHAPES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model whose norms are not the ones that it begins with."""
    from pixd.pix2pix.network import models

    folder: Path = tmp_path_factory.mktemp("model")
    made = models.build_generator(SIZE, 8, channels=SHAPES[request.param])
    random = np.random.default_rng(1)
    made.set_weights(
        [
            value + random.normal(0, 0.05, value.shape).astype(np.float32)
            for value in made.get_weights()
        ]
    )
    kept(made, folder)
    (folder / "model.json").write_text("{}")
    return folder


@pytest.fixture
def images() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(2)
    return [random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(8)]


def spec(model: Path, **fields: Any) -> TranslateSpec:
    told = {"recipe": RECIPE, "device": "cpu", "precision": "float32", "batch": 8, **fields}
    return TranslateSpec(run_id="", model=str(model), files={}, scratch=str(model), **told)


def silent(_said: str) -> None:
    pass


def test_it_draws_what_keras_draws(model: Path, images: list[NDArray[np.uint8]]) -> None:
    from pixd.pix2pix.inference.keras_engine import KerasEngine
    from pixd.pix2pix.inference.onnx_engine import OnnxEngine

    mine = engines.load(spec(model), silent)
    assert isinstance(mine, OnnxEngine)
    theirs = KerasEngine(spec(model))
    assert mine.size == theirs.size == SIZE
    np.testing.assert_allclose(mine.values(images), theirs.values(images), atol=2e-5)
    differences = [
        np.abs(one.astype(int) - other).max()
        for one, other in zip(mine(images), theirs(images), strict=True)
    ]
    assert max(differences) <= 1
    assert mine.environment.keys() - theirs.environment.keys() == {"onnxruntime"}


def test_an_image_has_the_same_values_in_any_batch_and_with_any_number_of_cores(
    model: Path, images: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: NDArray[np.float32] | None = None
    for cores in (1, 2, 3, 4, 5, 8):
        monkeypatch.setattr(machine, "available", lambda cores=cores: cores)
        engine = engines.load(spec(model), silent)
        for batch in (1, 2, 4, 8):
            parts = [images[at : at + batch] for at in range(0, len(images), batch)]
            values = np.concatenate([engine.values(part) for part in parts])
            expected = values if expected is None else expected
            assert np.array_equal(values, expected), (cores, batch)


@pytest.mark.parametrize(
    "fields",
    [{"precision": "bfloat16"}, {"recipe": {"sample": True, "seed": 0}}],
    ids=["bfloat16", "dropout"],
)
def test_what_it_does_not_compute_is_left_to_keras(model: Path, fields: dict[str, Any]) -> None:
    from pixd.pix2pix.inference.keras_engine import KerasEngine

    assert isinstance(engines.load(spec(model, **fields), silent), KerasEngine)


def test_where_tensorflow_sees_a_gpu_it_is_asked(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixd.pix2pix.inference.onnx_engine import OnnxEngine

    asked: list[str] = []
    choose = hardware.choose_device

    def noted(word: str) -> hardware.Device:
        asked.append(word)
        return choose(word)

    monkeypatch.setattr(hardware, "choose_device", noted)
    monkeypatch.setattr(hardware, "may_have_gpu", lambda: True)
    assert isinstance(engines.load(spec(model, device="auto"), silent), OnnxEngine)
    assert asked == ["auto"]
    engines.load(spec(model, device="cpu"), silent)
    assert asked == ["auto"]


def test_nothing_of_tensorflow_is_imported(model: Path) -> None:
    script = (
        "import sys\n"
        "from tests.integration.pix2pix.inference.test_onnx_engine import *\n"
        "engine = engines.load(spec(Path(sys.argv[1])), silent)\n"
        "engine([np.zeros((SIZE, SIZE, 3), np.uint8)])\n"
        "import pixd.pix2pix.translator\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(model)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nobody_is_told_that_it_is_used(model: Path, tmp_path: Path) -> None:
    script = (
        "from tests.integration.pix2pix.inference.test_onnx_engine import *\n"
        "engine = engines.load(spec(Path(sys.argv[1])), silent)\n"
        "engine([np.zeros((SIZE, SIZE, 3), np.uint8)])\n"
    )
    # ONNX Runtime tells nobody on a machine that builds and tests; a user's has none of its variables.
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-c", script, str(model)]
    subprocess.run(command, check=True, capture_output=True, env={**BARE, "HOME": str(home)})
    left = [path for path in home.rglob("*") if "onnx" in path.name]
    assert not left  # an identifier of this user, and what waits to be sent


def test_every_weight_is_read_as_keras_reads_it(model: Path) -> None:
    import keras

    from pixd.pix2pix.network import stored

    read = stored.read(model / GENERATOR_FILE)
    theirs = keras.models.load_model(model / GENERATOR_FILE, compile=False)
    assert [layer.name for layer in read.layers] == [layer.name for layer in theirs.layers]
    for mine, layer in zip(read.layers, theirs.layers, strict=True):
        assert len(mine.weights) == len(layer.weights)
        for one, other in zip(mine.weights, layer.weights, strict=True):
            assert np.array_equal(one, other.numpy())
    assert (SIZE, SIZE, *theirs.input_shape[-1:]) == read.input_shape
    assert read.output_channels == theirs.output_shape[-1]


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_file_that_is_no_generator_is_named(tmp_path: Path, model: Path, damage: str) -> None:
    from pixd.pix2pix.network import stored

    data = (model / GENERATOR_FILE).read_bytes()
    path = tmp_path / GENERATOR_FILE
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"no archive")
    with pytest.raises(stored.UnreadableModelError, match="cannot be read"):
        stored.read(path)
