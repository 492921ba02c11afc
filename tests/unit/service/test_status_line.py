from __future__ import annotations

from typing import Any

import pytest

from pixd.service.status_line import status_line
from pixd.store import heartbeat
from pixd.store.heartbeat import Heartbeat


def live(said: dict[str, Any] | None = None, **parts: dict[str, Any]) -> Heartbeat:
    """Return a heartbeat of one pipeline at rest, changed by `parts`; `said` is of the service."""
    return heartbeat.from_json({**(said or {}), "pipelines": {"maps": parts}})


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({}, "maps: idle"),
        (
            {"train": {"state": "running", "step": 120, "steps": 4000, "eta_seconds": 400.0}},
            "maps: training, step 120 of 4000, 7 min left",
        ),
        (
            {"train": {"state": "running", "step": 3999, "steps": 4000, "eta_seconds": 1.0}},
            "maps: training, step 3999 of 4000, 1 min left",
        ),
        ({"train": {"state": "running"}}, "maps: training running"),
        (
            {"train": {"reason": "comparing the pairs: 0 of 9", "looking": {"phase": "pairs"}}},
            "maps: comparing the pairs: 0 of 9",
        ),
        ({"train": {"state": "waiting"}}, "maps: training waiting"),
        ({"train": {"state": "failed"}}, "maps: training failed, see pixd status"),
        (
            {"train": {"state": "waiting"}, "translate": {"phase": "loading the model"}},
            "maps: training waiting, translator loading the model",
        ),
        ({"translate": {"trouble": "it died"}}, "maps: translator in trouble, it died"),
        (
            {"translate": {"blocked": "the disk is full", "phase": "warm"}},
            "maps: blocked, the disk is full",
        ),
        (
            {"input": {"held": "it is gone"}, "train": {"state": "failed"}},
            "maps: HOLD, input: it is gone",
        ),
    ],
)
def test_what_wants_attention_is_said_first(parts: dict[str, Any], line: str) -> None:
    assert status_line(live(**parts)) == line


def test_the_whole_service_s_trouble_stands_before_the_pipelines() -> None:
    beat = live({"stale": "maps: the trainer hangs", "config": "refused"})
    assert status_line(beat) == (
        "maps: the trainer hangs; the changed configuration is not in force: refused; maps: idle"
    )


def test_a_line_break_cannot_begin_another_assignment() -> None:
    beat = live(input={"held": "bad\nREADY=1"})
    assert status_line(beat) == "maps: HOLD, input: bad READY=1"
