"""What a training tells of its sheet of samples."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pixd.training.run import TrainingRun


def test_a_sheet_is_told_with_the_step_at_which_it_was_drawn(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    worker = SimpleNamespace(read_events=lambda: [events.pop(0)])
    nothing = cast("Any", None)
    run = TrainingRun(nothing, 1, "key", nothing, cast("Any", worker), tmp_path)
    told = []
    for said in (
        {"step": 4, "path": "p.png"},
        {"step": 8, "trouble": "the disk is full"},
        {"step": 12, "path": "p.png"},
        {"step": "x", "path": "p.png"},
    ):
        events.append({"event": "preview", **said})
        run.read(0.0)
        told.append((run.preview, run.preview_step, run.preview_trouble))
    assert told == [
        ("p.png", 4, ""),
        ("p.png", 4, "the disk is full"),
        ("p.png", 12, ""),
        ("p.png", 0, ""),
    ]
