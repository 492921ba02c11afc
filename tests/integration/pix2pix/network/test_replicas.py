"""Two devices make the training that one makes; here the processor, split in two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.support.children import Child, result_of
from tests.support.shared import made_once

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

    def make(folder: Path) -> None:
        one, two = folder / "one", folder / "two"
        children = [
            start("train", make_spec(one, steps=STEPS, batch_size=2), one),
            start("train", {**make_spec(two, steps=STEPS, batch_size=2, replicas=2), **TWO}, two),
        ]
        for child in children:
            assert child.ended() == 0, child.log.read_text()[-2000:]

    folder = made_once(tmp_path_factory, "on-one-and-two", make)
    return folder / "one", folder / "two"


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


def test_more_replicas_than_devices_fail_with_what_to_set(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = {**make_spec(tmp_path, steps=STEPS, batch_size=3, replicas=3), **TWO}
    assert start("train", spec, tmp_path).ended() != 0
    error = result_of(tmp_path)["error"]
    assert error["kind"] == "device"
    assert "train.replicas is 3, but there are 2" in error["message"]
    assert "set train.replicas: 2" in error["advice"]


OVERFLOW_ON_ONE = """
import keras, numpy as np, tensorflow as tf
from pixd.pix2pix.network import loss_scale, models, replicas
from pixd.pix2pix.network.hardware import Device
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.steps import make_networks, make_train_step

strategy = replicas.make_strategy(2, Device("cpu", ""), logical_cpus=2)
with strategy.scope():
    nets = [build(32, 8) for build in (models.build_generator, models.build_discriminator)]
    nets = [models.for_computing(net, models.MIXED_FLOAT16) for net in nets]
    networks = make_networks(*nets, learning_rate=2e-3, beta_1=0.5, scales_losses=True)
step = make_train_step(networks, LossWeights(), strategy)


def copies(variable):
    return [np.asarray(value) for value in strategy.experimental_local_results(variable)]


images = tf.random.uniform((2, 2, 32, 32, 3), -1, 1, seed=1)
before = [copies(v) for net in nets for v in (w.value for w in net.trainable_variables)]
step(images[0], tf.concat([images[1, :1], images[1, 1:] * float("inf")], axis=0))
after = [copies(v) for net in nets for v in (w.value for w in net.trainable_variables)]
for scale in networks.scales:
    assert copies(scale.scale) == [loss_scale.INITIAL / 2] * 2, copies(scale.scale)
assert all((a == b[0]).all() for old, new in zip(before, after) for a, b in zip(new, [old] * 2))
step(*images)
moved = [copies(v) for net in nets for v in (w.value for w in net.trainable_variables)]
assert all((one == other).all() for one, other in moved)
assert any((new[0] != old[0]).any() for old, new in zip(after, moved))
print("both skipped, both went on")
"""


def test_an_overflow_on_one_device_skips_the_update_on_all() -> None:
    # In a process of its own: devices are split before TensorFlow does anything else.
    done = subprocess.run(
        [sys.executable, "-c", OVERFLOW_ON_ONE],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=300,
        check=False,
    )
    assert done.stdout == "both skipped, both went on\n", done.stderr[-2000:]
