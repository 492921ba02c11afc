"""Two devices make the training that one makes; here the processor, split in two."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.integration.pix2pix.conftest import Child, result_of

Start = Callable[..., Child]
Spec = dict[str, Any]
MakeSpec = Callable[..., Spec]

STEPS = 10
TWO: Spec = {"logical_cpus": 2}


def tensors_in(folder: Path) -> dict[str, NDArray[Any]]:
    reader = tf.train.load_checkpoint(str(folder / f"checkpoints/step-{STEPS:08d}/variables"))
    return {
        name: np.asarray(reader.get_tensor(name))
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, start: Start, make_spec: MakeSpec
) -> tuple[Path, Path]:
    """Return the folders of one training on one device and on two, dropout on."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    children = [
        start("train", make_spec(one, steps=STEPS, batch_size=2), one),
        start("train", {**make_spec(two, steps=STEPS, batch_size=2, replicas=2), **TWO}, two),
    ]
    for child in children:
        assert child.ended() == 0, child.log.read_text()[-2000:]
    return one, two


def test_two_devices_make_the_training_that_one_makes(runs: tuple[Path, Path]) -> None:
    one, two = (tensors_in(folder) for folder in runs)
    assert one.keys() == two.keys()
    for name, value in one.items():
        if value.dtype == np.int64:  # numbers of updates, and dropout's random state
            assert (two[name] == value).all(), name
        else:
            assert np.abs(two[name] - value).max() <= 1e-3 * np.abs(value).max() + 1e-7, name
    curves = [result_of(folder)["curve"] for folder in runs]
    for points in zip(*curves, strict=True):
        assert points[0] == pytest.approx(points[1], rel=1e-3)


def test_a_killed_run_on_two_devices_goes_on_to_the_same_weights(
    tmp_path: Path, start: Start, make_spec: MakeSpec, runs: tuple[Path, Path]
) -> None:
    spec = {**make_spec(tmp_path, steps=STEPS, batch_size=2, replicas=2), **TWO}
    first = start("train", spec, tmp_path)
    first.until(event="checkpoint", step=4)
    first.process.send_signal(signal.SIGKILL)
    first.ended()
    assert not (tmp_path / "result.json").exists()
    assert start("train", spec, tmp_path).ended() == 0
    undisturbed = tensors_in(runs[1])
    for name, value in tensors_in(tmp_path).items():
        assert value.tobytes() == undisturbed[name].tobytes(), name


def test_a_model_from_two_devices_is_an_ordinary_model(runs: tuple[Path, Path]) -> None:
    import keras

    generator = keras.models.load_model(runs[1] / "model/generator.keras", compile=False)
    kinds = {type(layer) for layer in generator.layers}
    assert keras.layers.Dropout in kinds
    assert all(kind.__module__.startswith("keras.") for kind in kinds)
    card = json.loads((runs[1] / "model/model.json").read_text())
    assert card["recipe"]["replicas"] == 2
