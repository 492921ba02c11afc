"""A training that really stops before its last step, because its scores get no better."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.children import Child, result_of
from tests.support.tensors import tensors_in

Start = Callable[..., Child]
MakeSpec = Callable[..., dict[str, Any]]

LEARNS_NOTHING = {"steps": 20_000, "patience": 1, "learning_rate": 1e-12}


def test_it_stops_where_nothing_gets_better_and_says_why(
    tmp_path: Path, start: Start, make_spec: MakeSpec
) -> None:
    again = tmp_path / "again"
    child = start("train", make_spec(tmp_path, **LEARNS_NOTHING), tmp_path)
    events = []
    for event in child.events():
        events.append(event)
        if event["event"] == "checkpoint" and event["step"] == 1000:
            # What a death here would leave: before the last validation, and without a result.
            child.process.send_signal(signal.SIGSTOP)
            shutil.copytree(tmp_path / "checkpoints", again / "checkpoints")
            child.process.send_signal(signal.SIGCONT)
    assert child.ended() == 0, child.log.read_text()
    result = result_of(tmp_path)
    assert result["stopped"] == "stopped at step 1,000 of 20,000: no better since step 500"
    assert (result["state"], result["ended_at"], result["steps"]) == ("succeeded", 1000, 20_000)
    told = [(e["best_step"], e["stops_at"]) for e in events if e["event"] == "standing"]
    assert told == [(0, 1000), (500, 1000), (500, 1000)]
    losses = [point["step"] for point in result["curve"] if "disc_loss" in point]
    assert losses[-1] == 1000

    # A death after the last step trains no step more, and gives the same model.
    second = start("train", make_spec(again, **LEARNS_NOTHING), again)
    assert not [e for e in second.events() if e["event"] == "progress"]
    assert second.ended() == 0, second.log.read_text()
    assert tensors_in(again, 1000) == tensors_in(tmp_path, 1000)
    assert result_of(again)["stopped"] == result["stopped"]
