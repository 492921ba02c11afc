"""Starts the child that looks at training images (`pixd.training.dataset.inspector_child`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.system.children.spec import InspectSpec
from pixd.system.children.warm_worker import WarmWorker
from pixd.training.dataset.near_duplicates import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.system.children.spawner import Spawner

CHILD = "pixd.training.dataset.inspector_child"


def inspector(
    scratch: Path, log: Path, *, spawner: Spawner, idle_s: float, answer_within_s: float
) -> WarmWorker:
    """Return an inspector, which is started when it is first asked.

    Args:
        scratch: a folder of its own.
        log: file for its standard error.
        spawner: starts it.
        idle_s: after so many seconds without a request it is ended.
        answer_within_s: it must answer a request within so many seconds.
    """
    return WarmWorker(
        CHILD,
        InspectSpec(),
        scratch,
        log,
        spawner=spawner,
        idle_s=idle_s,
        answer_within_s=answer_within_s,
        answers_in_order=True,
    )


def is_sound(event: Mapping[str, Any]) -> bool:
    """Tell whether an answer "done" has the form that `Part.from_json` and the store can take."""
    parts = event.get("parts")
    if not isinstance(parts, list) or not parts:
        return False
    try:
        for part in parts:
            Part.from_json(part)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return False
    return all(isinstance(event.get(name), int) for name in ("width", "height"))
