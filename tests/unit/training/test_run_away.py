"""A training whose cluster went away has not failed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pixd.store.states import RunState
from pixd.system.children.spec import RESULT_FILE, Result, result_to_json
from pixd.training.run import TrainingRun

ERROR = {"kind": "cluster", "message": "the cluster at a:1 went away", "advice": "start it"}


def run_in(scratch: Path, error: dict[str, str]) -> TrainingRun:
    result = Result(state="failed", error=cast("Any", error))
    (scratch / RESULT_FILE).write_text(json.dumps(result_to_json(result)))
    worker = SimpleNamespace(poll=lambda: 1, terminate=lambda: None)
    nothing = cast("Any", None)
    return TrainingRun(nothing, 1, "key", nothing, cast("Any", worker), scratch)


def test_a_training_whose_cluster_went_away_is_cancelled_and_goes_on_later(tmp_path: Path) -> None:
    ended = run_in(tmp_path, ERROR).ended()
    assert ended is not None
    assert (ended.state, ended.is_away, ended.error) == (RunState.CANCELLED, True, None)
    assert (ended.reason, ended.mend) == ("the cluster at a:1 went away", "start it")


def test_any_other_error_is_a_failure(tmp_path: Path) -> None:
    ended = run_in(tmp_path, {**ERROR, "kind": "nan"}).ended()
    assert ended is not None
    assert (ended.state, ended.is_away) == (RunState.FAILED, False)


def test_who_was_asked_to_end_has_ended_whatever_became_of_the_cluster(tmp_path: Path) -> None:
    run = run_in(tmp_path, ERROR)
    run.leave_as(RunState.SUPERSEDED, "the folder changed", 0.0)
    ended = run.ended()
    assert ended is not None
    assert (ended.state, ended.is_away) == (RunState.SUPERSEDED, False)
