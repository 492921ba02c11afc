"""What is kept of a training that made no model: why it ended, and what its time went into."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixd.store import connection
from pixd.store.queries import history
from pixd.store.states import RunState
from pixd.system.children.spec import RESULT_FILE, Result, result_to_json
from pixd.training import ending
from pixd.training.run import TrainingRun
from tests.support.trained_folder import Folder

TIMINGS = {"build_s": 1.0, "train_s": 40.0, "validate_s": 2.0, "early_s": 3.0}
DISK = {"kind": "disk", "message": "the disk is full", "advice": ""}
NAN = {"kind": "nan", "message": "a loss is no number", "advice": ""}
COMMIT = SimpleNamespace(change_id="c")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.store.close()


@pytest.mark.parametrize(
    ("result", "asked", "state"),
    [
        (Result(state="interrupted", step=7, timings=TIMINGS), "pixd pause", RunState.CANCELLED),
        (Result(state="interrupted", step=7, timings=TIMINGS), "", RunState.CANCELLED),
        (Result(state="failed", error=cast("Any", NAN), timings=TIMINGS), "x", RunState.SUPERSEDED),
        (Result(state="failed", error=cast("Any", NAN), timings=TIMINGS), "", RunState.FAILED),
        (Result(state="failed", error=cast("Any", DISK), timings=TIMINGS), "", RunState.CANCELLED),
        (None, "", RunState.FAILED),
    ],
)
def test_what_the_time_went_into_is_kept_however_a_training_ends(
    folder: Folder, tmp_path: Path, result: Result | None, asked: str, state: RunState
) -> None:
    if result:
        (tmp_path / RESULT_FILE).write_text(json.dumps(result_to_json(result)))
    worker = SimpleNamespace(poll=lambda: 1, terminate=lambda: None, exit_text=lambda: "is gone")
    run_id = folder.begin_training()
    run = TrainingRun(
        folder.store, run_id, "key", cast("Any", COMMIT), cast("Any", worker), tmp_path
    )
    if asked:
        run.leave_as(state, asked, 0.0)
    ended = run.ended()
    assert ended is not None
    ending.close(folder.store, folder.pipeline, run, ended, 0.0)
    with contextlib.closing(connection.open_reader(folder.store.folder)) as reader:
        told = history.run(reader, run_id)
    assert told is not None
    assert told["state"] == state
    assert told["timings"] == (TIMINGS if result else None)
