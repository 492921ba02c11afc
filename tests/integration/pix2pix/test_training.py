"""The training worker, really run: it goes on after a kill, stops when asked, and says why not."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pixd.pix2pix.checkpoints import Checkpoints
from pixd.pix2pix.runtime import NotFiniteError
from tests.integration.pix2pix.conftest import Child, result_of

Start = Callable[..., Child]
MakeSpec = Callable[..., dict[str, Any]]


def tensors_in(folder: Path) -> dict[str, bytes]:
    (checkpoint,) = list((folder / "checkpoints").glob("step-00000040"))
    reader = tf.train.load_checkpoint(str(checkpoint / "variables"))
    return {
        name: np.asarray(reader.get_tensor(name)).tobytes()
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def test_a_run_leaves_a_result_that_describes_it(trained: Path) -> None:
    result = result_of(trained)
    assert result["state"] == "succeeded"
    assert result["error"] is None
    assert result["step"] == result["steps"] == 40
    assert [output["role"] for output in result["outputs"]] == ["generator", "card"]
    for output in result["outputs"]:
        data = (trained / output["path"]).read_bytes()
        assert output["size"] == len(data)
        assert output["sha256"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert set(result["metrics"]) == {
        *("l1", "psnr", "ssim", "sharpness"),
        *("baselines", "live", "held_out", "collapsed"),
    }
    assert result["metrics"]["held_out"] == 4
    assert result["curve"][-1] == {"step": 40, "validation_l1": result["metrics"]["l1"]}
    assert {"import_s", "build_s", "train_s", "validate_s", "export_s"} <= set(result["timings"])
    assert result["environment"]["device"] == "cpu"
    card = json.loads((trained / "model/model.json").read_text())
    assert card["image_size"] == 32
    assert card["steps"] == 40
    assert card["metrics"] == result["metrics"]


def test_a_killed_run_goes_on_to_the_same_weights_and_adam_states(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = make_spec(tmp_path)
    first = start("train", spec, tmp_path)
    first.until(event="checkpoint", step=16)
    first.process.send_signal(signal.SIGKILL)
    first.ended()
    assert not (tmp_path / "result.json").exists()
    second = start("train", spec, tmp_path)
    progress = second.until(event="progress")
    assert progress["step"] > 16
    assert second.ended() == 0
    assert tensors_in(tmp_path) == tensors_in(trained)


def test_sigterm_leaves_a_checkpoint_and_the_run_goes_on_from_it(
    tmp_path: Path, start: Start, make_spec: MakeSpec, trained: Path
) -> None:
    spec = make_spec(tmp_path, steps=100_000, live_model=trained / "model")
    child = start("train", spec, tmp_path)
    child.until(event="progress")
    child.process.terminate()
    assert child.ended() == 0
    result = result_of(tmp_path)
    assert result["state"] == "interrupted"
    (checkpoint,) = (tmp_path / "checkpoints").glob("step-*")
    assert checkpoint.name == f"step-{result['step']:08d}"

    (tmp_path / "result.json").unlink()
    spec["recipe"]["steps"] = result["step"] + 1
    assert start("train", spec, tmp_path).ended() == 0
    result = result_of(tmp_path)
    assert result["state"] == "succeeded"
    assert result["metrics"]["live"]["l1"] == pytest.approx(
        result_of(trained)["metrics"]["l1"]  # the live model, on the same held-out pairs
    )


def test_a_run_that_diverges_fails_and_says_so(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    child = start("train", make_spec(tmp_path, learning_rate=1e30), tmp_path)
    assert child.ended() == 1
    result = result_of(tmp_path)
    assert result["state"] == "failed"
    assert result["error"]["kind"] == "nan"
    assert "learning_rate" in result["error"]["advice"]


def test_a_gpu_that_is_not_there_fails_and_says_so(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    child = start("train", {**make_spec(tmp_path), "device": "gpu"}, tmp_path)
    assert child.ended() == 1
    error = result_of(tmp_path)["error"]
    assert error["kind"] == "device"
    assert "device: auto" in error["advice"]


def test_the_newest_whole_checkpoint_is_found_and_a_damaged_one_passed_over(
    tmp_path: Path,
) -> None:
    weight = tf.Variable(tf.zeros(1000))
    checkpoints = Checkpoints(tmp_path, {"weights": [weight]})
    weight.assign(tf.fill(1000, 1.0))
    checkpoints.save(1, {"note": "one"})
    checkpoints.remember_best(1, 10.0)  # so that it is kept
    weight.assign(tf.fill(1000, 2.0))
    newest = checkpoints.save(2, {})
    assert [folder.name for folder in checkpoints.found()] == ["step-00000002", "step-00000001"]
    assert checkpoints.restore() == (2, {})

    data = newest / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:2000] + b"\0" * 2000)
    weight.assign(tf.fill(1000, 9.0))
    assert checkpoints.restore() == (1, {"note": "one"})
    assert weight.numpy().tolist() == [1.0] * 1000


def test_a_checkpoint_of_what_is_not_finite_is_refused(tmp_path: Path) -> None:
    weight = tf.Variable([1.0, 2.0])
    checkpoints = Checkpoints(tmp_path, {"weights": [weight]})
    checkpoints.save(1, {})
    weight.assign([1.0, float("nan")])
    with pytest.raises(NotFiniteError):
        checkpoints.save(2, {})
    assert [folder.name for folder in checkpoints.found()] == ["step-00000001"]


def test_the_best_checkpoint_outlives_newer_ones(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {"weights": [tf.Variable([1.0])]})
    for step, l1 in ((1, 30.0), (2, 20.0), (3, 25.0), (4, 26.0)):
        checkpoints.save(step, {})
        checkpoints.remember_best(step, l1)
    assert checkpoints.best() == (2, 20.0)
    assert [folder.name for folder in checkpoints.found()] == ["step-00000004", "step-00000002"]
