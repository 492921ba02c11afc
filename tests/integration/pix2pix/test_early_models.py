"""Early models, really exported while a training goes on: they change nothing of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixd.pix2pix.learning import early
from pixd.system.crash_points import CRASH_VARIABLE
from pixd.system.digests import hash_file
from tests.support.children import THREADS, Child, result_of
from tests.support.tensors import tensors_in

Start = Callable[..., Child]
MakeSpec = Callable[..., dict[str, Any]]


def early_spec(make_spec: MakeSpec, folder: Path, **recipe: Any) -> dict[str, Any]:
    return make_spec(folder, **recipe) | {"early_after_s": 0.05}


def test_an_early_model_is_a_model_with_its_scores(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = early_spec(make_spec, tmp_path, steps=3000, learning_rate=2e-3)
    child = start("train", spec, tmp_path)
    said = child.until(event="early", why_not="")
    result = said["result"]
    assert 0 < result["step"] < result["steps"] * early.LAST_SHARE
    for output in result["outputs"]:
        assert hash_file(tmp_path / output["path"]) == output["sha256"]
    card = json.loads((tmp_path / f"early/{said['step']}/model/model.json").read_text())
    assert (card["steps"], card["early_of"]) == (said["step"], 3000)
    assert not early.why_not(result["metrics"], None, said["step"])
    child.close()


def test_a_death_at_the_export_of_an_early_model_costs_that_model_alone(
    tmp_path: Path, start: Start, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = early_spec(make_spec, tmp_path, steps=3000, learning_rate=2e-3)
    monkeypatch.setitem(THREADS, CRASH_VARIABLE, "early-export:1")
    dead = start("train", spec, tmp_path)
    before = [event["step"] for event in dead.events() if event["event"] == "checkpoint"][-1]
    assert dead.ended() == -signal.SIGKILL
    monkeypatch.delitem(THREADS, CRASH_VARIABLE)
    child = start("train", spec, tmp_path)
    assert child.until(event="early", why_not="")["step"] == before
    child.close()


def test_early_models_and_kills_around_them_change_nothing_of_the_training(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    spec = early_spec(make_spec, tmp_path)
    first = start("train", spec, tmp_path)
    first.until(event="phase", phase="looking whether an early model is worth showing")
    kept = killed(first, tmp_path)
    second = start("train", spec, tmp_path)
    assert second.until(event="early")["step"] >= kept, "the try that was cut off comes again"
    killed(second, tmp_path)
    third = start("train", spec, tmp_path)
    assert third.ended() == 0, third.log.read_text()
    # All is as in a training that was not killed, and that gave no early models.
    assert tensors_in(tmp_path) == tensors_in(trained)
    result, undisturbed = result_of(tmp_path), result_of(trained)
    assert result["metrics"] == undisturbed["metrics"]
    assert result["curve"] == undisturbed["curve"]
    assert result["timings"]["early_s"] > 0


def killed(child: Child, folder: Path) -> int:
    """Kill a trainer; return the step of the newest checkpoint that it leaves."""
    child.process.send_signal(signal.SIGKILL)
    child.ended()
    return max(int(one.name[5:]) for one in (folder / "checkpoints").glob("step-*"))
