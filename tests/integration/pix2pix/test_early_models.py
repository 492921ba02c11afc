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


def test_a_training_that_gives_early_models_ends_with_the_same_weights(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec
) -> None:
    child = start("train", early_spec(make_spec, tmp_path), tmp_path)
    said = [event for event in child.events() if event["event"] == "early"]
    assert child.ended() == 0, child.log.read_text()
    assert said
    assert tensors_in(tmp_path) == tensors_in(trained)
    result, undisturbed = result_of(tmp_path), result_of(trained)
    assert result["metrics"] == undisturbed["metrics"]
    assert result["curve"] == undisturbed["curve"]
    assert result["timings"]["early_s"] > 0


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


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_around_an_early_model_changes_no_weight_and_repeats_no_step(
    tmp_path: Path, trained: Path, start: Start, make_spec: MakeSpec, when: str
) -> None:
    spec = early_spec(make_spec, tmp_path)
    first = start("train", spec, tmp_path)
    if when == "before":
        first.until(event="phase", phase="looking whether an early model is worth showing")
    else:
        first.until(event="early")
    first.process.send_signal(signal.SIGKILL)
    first.ended()
    kept = [int(folder.name[5:]) for folder in (tmp_path / "checkpoints").glob("step-*")]
    second = start("train", spec, tmp_path)
    again = [event["step"] for event in second.events() if event["event"] == "early"]
    assert second.ended() == 0
    if when == "before":
        assert again[0] >= max(kept), "the try that was cut off comes again"
    assert tensors_in(tmp_path) == tensors_in(trained)
