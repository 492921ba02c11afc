"""The training worker, really run: it goes on after a kill, stops when asked, and says why not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.checkpoints import Checkpoints
from pixd.system.children.spec import TrainSpec, from_json
from pixd.system.children.task import NotFiniteError
from tests.support.children import Child, result_of
from tests.support.tensors import tensors_in

Start = Callable[..., Child]
MakeSpec = Callable[..., dict[str, Any]]


def test_a_run_leaves_a_result_that_describes_it(trained: Path) -> None:
    result = result_of(trained)
    assert result["state"] == "succeeded"
    assert result["error"] is None
    assert result["step"] == result["steps"] == 40
    assert [output["role"] for output in result["outputs"]] == ["generator", "card", "samples"]
    for output in result["outputs"]:
        data = (trained / output["path"]).read_bytes()
        assert output["size"] == len(data)
        assert output["sha256"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert set(result["metrics"]) == {
        *("l1", "psnr", "ssim", "sharpness"),
        *("baselines", "live", "held_out", "collapsed", "identity_like", "others"),
        "coarse_sharpness",
    }
    assert result["metrics"]["held_out"] == 4
    scores = {n: result["metrics"][n] for n in ("l1", "psnr", "ssim", "sharpness")}
    told = {f"validation_{n}": scores[n] for n in scores}
    assert result["curve"][-1] == {"step": 40, **told, "validation_averaged": 0.0}
    assert {"import_s", "build_s", "train_s", "validate_s", "export_s"} <= set(result["timings"])
    assert result["environment"]["device"] == "cpu"
    card = json.loads((trained / "model/model.json").read_text())
    assert card["image_size"] == 32
    assert card["steps"] == 40
    told = {name: value for name, value in result["metrics"].items() if name != "live"}
    assert card["metrics"] == told


def test_a_killed_run_goes_on_to_the_same_weights_adam_states_and_model_byte_for_byte(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    # It has another model live beside it, which changes nothing of what it makes.
    spec = make_spec(tmp_path, live_model=trained / "model")
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
    assert result_of(tmp_path)["metrics"]["live"]
    digests = [
        {output["path"]: output["sha256"] for output in result_of(folder)["outputs"]}
        for folder in (trained, tmp_path)
    ]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_a_training_in_float32_has_the_same_weights_in_every_process(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    # As large as by default: smaller networks had one result even before operations were in order.
    size = {"steps": 3, "image_size": 256, "ngf": 64, "ndf": 64, "precision": "float32"}
    found = set()
    for number in range(4):
        folder = tmp_path / str(number)
        child = start("train", {**make_spec(folder, **size), "held_out": []}, folder)
        assert child.ended() == 0, child.log.read_text()
        found.add(hashlib.sha256(_weights_of(folder / "checkpoints/step-00000003")).hexdigest())
        shutil.rmtree(folder)  # half a gigabyte
    assert len(found) == 1


def _weights_of(checkpoint: Path) -> bytes:
    reader = tf.train.load_checkpoint(str(checkpoint / "variables"))
    names = sorted(reader.get_variable_to_shape_map())
    return b"".join(
        reader.get_tensor(name).tobytes() for name in names if name.startswith("generator/")
    )


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
    assert result["timings"]["train_s"] > 0
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


def beginning(folder: Path) -> dict[str, Any]:
    return {
        "model": "model@1",
        "digest": "sha256:00",
        "checkpoints": str(folder / "checkpoints"),
        "steps": 0.2,
    }


def test_a_warm_start_goes_on_from_weights_and_optimisers_with_fewer_steps(
    tmp_path: Path, start: Start, make_spec: MakeSpec, trained: Path
) -> None:
    child = start("train", make_spec(tmp_path, warm_start=beginning(trained)), tmp_path)
    assert child.ended() == 0, child.log.read_text()
    result, before = result_of(tmp_path), result_of(trained)
    assert result["step"] == result["steps"] == 8
    assert json.loads((tmp_path / "model/model.json").read_text())["begun_from"] == "sha256:00"
    first, last = before["curve"][0]["gen_l1_loss"], before["metrics"]["l1"]
    begun_at = result["curve"][0]["gen_l1_loss"]
    assert abs(begun_at - last) < abs(begun_at - first)
    checkpoint = max((tmp_path / "checkpoints").glob("step-*"))
    reader = tf.train.load_checkpoint(str(checkpoint / "variables"))
    updates = reader.get_tensor("generator_adam/0/.ATTRIBUTES/VARIABLE_VALUE")
    assert int(updates) == 48  # Adam goes on too


def test_more_steps_go_on_to_the_weights_that_one_longer_training_has(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    shorter, longer = tmp_path / "shorter", tmp_path / "longer"
    for folder in (shorter, longer):
        folder.mkdir()
    assert start("train", make_spec(shorter, steps=20), shorter).ended() == 0
    origin = {**beginning(shorter), "steps": 1.0, "until": 40}
    child = start("train", make_spec(longer, warm_start=origin), longer)
    assert child.until(event="progress")["step"] > 20
    assert child.ended() == 0, child.log.read_text()
    assert result_of(longer)["steps"] == 40
    assert tensors_in(longer) == tensors_in(trained)
    assert result_of(longer)["curve"][0]["step"] == 1  # the curve goes on


def test_a_state_that_cannot_be_read_is_said_and_begun_anew(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    (tmp_path / "checkpoints/step-00000030").mkdir(parents=True)
    child = start("train", make_spec(tmp_path, steps=2), tmp_path)
    assert "begins from scratch" in child.until(event="note")["message"]
    assert child.ended() == 0, child.log.read_text()
    names = sorted(at.name for at in (tmp_path / "checkpoints").glob("step-*"))
    assert "step-00000030" not in names


def test_a_beginning_that_is_damaged_is_no_silent_start_from_scratch(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    (tmp_path / "x").mkdir()
    child = start("train", make_spec(tmp_path, warm_start=beginning(tmp_path / "x")), tmp_path)
    assert child.ended() == 1
    error = result_of(tmp_path)["error"]
    assert error["kind"] == "beginning"
    assert "model@1" in error["message"]


def test_the_best_weights_are_exported_where_the_last_are_worse(
    tmp_path: Path, make_spec: MakeSpec
) -> None:
    from pixd.pix2pix.learning import training_loop
    from pixd.system.children.child import Events, StopFlag

    class NoStop(StopFlag):
        def __init__(self) -> None:
            self.is_set = self.leaves_at_once = False

    with (tmp_path / "events").open("wb") as sink:
        events = Events(os.dup(sink.fileno()))
    spec = from_json(make_spec(tmp_path, steps=10), TrainSpec)
    run = training_loop._Run(spec, events, NoStop(), {"validate_s": 0.0})
    run.train()
    kept = Best(10, 1.0, 1.0, 1.0)  # whatever the ten steps were worth
    run._checkpoints.remember_best(kept)
    for weight in run._networks.generator.trainable_variables:
        weight.assign(tf.zeros(weight.shape))
    run.step = 11
    run.checkpoint()
    outcome = run.finish()
    events.close()
    assert outcome["step"] == 10
    assert not outcome["metrics"]["collapsed"]
    kept_steps = [folder.name for folder in run._checkpoints.found()]
    assert kept_steps == ["step-00000011", "step-00000010"]  # more steps would go on from the last
    assert run._checkpoints.restore_exported() == 10


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(30, 0.2, 0.8), (20, 0.2, 0.8), (25, 0.2, 0.8)], 2),
        ([(20, 0.2, 0.1), (30, 0.2, 0.8), (32, 0.2, 0.8)], 2),  # the first was only blurred
        ([(30, 0.2, 0.8), (20, 0.2, 0.3)], 1),  # and so is the second here
        ([(30, 0.2, 0.8), (29, 0.2, 0.7), (28, 0.2, 0.6)], 3),
        ([(30.0, 0.20, 0.8), (30.4, 0.25, 0.8)], 2),  # a little further in L1, much more structure
        ([(30.0, 0.20, 0.8), (33.0, 0.25, 0.8)], 1),
    ],
)
def test_the_best_checkpoint_is_the_nearest_to_the_targets_of_those_that_are_sharp(
    tmp_path: Path, scores: list[tuple[float, float, float]], best: int
) -> None:
    checkpoints = Checkpoints(tmp_path, {"weights": [tf.Variable([1.0])]})
    for step, (l1, ssim, sharpness) in enumerate(scores, start=1):
        checkpoints.save(step, {})
        checkpoints.remember_best(Best(step, l1, ssim, sharpness))
    found = checkpoints.best()
    assert found is not None
    assert found.step == best
    assert {folder.name for folder in checkpoints.found()} == {
        f"step-{best:08d}",
        f"step-{len(scores):08d}",
    }


def test_a_best_that_has_become_too_old_gives_way_to_one_that_is_worse(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, {"weights": [tf.Variable([1.0])]})
    for step, l1, oldest in ((4, 20.0, 2), (8, 30.0, 4), (9, 30.0, 5)):
        checkpoints.save(step, {})
        checkpoints.remember_best(Best(step, l1, 0.2, 0.8, is_averaged=step == 9), oldest=oldest)
        assert checkpoints.best() == Best(*(9, l1, 0.2, 0.8, True) if step == 9 else (4, 20.0, 0.2, 0.8))  # fmt: skip


def test_a_run_that_diverges_fails_and_says_so(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    child = start("train", make_spec(tmp_path, learning_rate=1e30), tmp_path)
    assert child.ended() == 1
    result = result_of(tmp_path)
    assert result["state"] == "failed"
    assert result["error"]["kind"] == "nan"
    assert "learning_rate" in result["error"]["advice"]


@pytest.mark.fresh
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
    checkpoints.remember_best(Best(1, 10.0, 0.2, 1.0))  # so that it is kept
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
