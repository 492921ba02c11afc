"""Starts the child that looks at training images (`pixd.training.dataset.inspector_child`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.children.spec import InspectSpec
from pixd.system.children.warm_worker import WarmWorker

if TYPE_CHECKING:
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
