"""Starts the child that looks at training images (`pixd.training.dataset.inspector_child`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.children.spec import SCHEMA
from pixd.system.children.warm_worker import WarmWorker

if TYPE_CHECKING:
    from pathlib import Path

CHILD = "pixd.training.dataset.inspector_child"


def inspector(scratch: Path, log: Path, *, idle_s: float, answer_within_s: float) -> WarmWorker:
    """Return an inspector, which is started when it is first asked.

    Args:
        scratch: a folder of its own.
        log: what it prints.
        idle_s: seconds without a request after which it is ended.
        answer_within_s: seconds in which it has to answer a request.
    """
    spec = {"schema": SCHEMA, "kind": "inspect"}
    return WarmWorker(
        CHILD,
        spec,
        scratch,
        log,
        idle_s=idle_s,
        answer_within_s=answer_within_s,
        answers_in_order=True,
    )
