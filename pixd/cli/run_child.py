"""A child that a command starts for one piece of work and waits for, with a line of progress."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pixd.cli.terminal import Progress
from pixd.system.children.spec import SCHEMA
from pixd.system.children.worker import Worker
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOK_EVERY_S = 0.05


def run_child(
    module: str, spec: Mapping[str, Any], scratch: Path, *, what: str, advice: str
) -> dict[str, Any]:
    """Run a child to its end and return its result.

    Args:
        module: what ``python -m`` runs.
        spec: its run spec but for schema and scratch folder.
        scratch: an empty folder of the caller's.
        what: for people, as in "the export failed".
        advice: what to do where the child has none.

    Raises:
        PixdError: it failed, or was killed.
    """
    full = {"schema": SCHEMA, "scratch": str(scratch), **spec}
    worker = Worker.start(module, full, scratch, scratch / "log")
    progress = Progress()
    phase = "starting"
    began = time.monotonic()
    while worker.poll() is None:
        for event in worker.read_events():
            phase = str(event.get("phase", phase))
        progress.show(f"{phase}, {time.monotonic() - began:.0f} s")
        time.sleep(LOOK_EVERY_S)
    progress.clear()
    try:
        result: dict[str, Any] = json.loads((scratch / "result.json").read_bytes())
    except (OSError, ValueError):
        raise PixdError(
            f"{what} failed: {worker.exit_text()}",
            advice="free memory if it was killed, then try again; `pixd verify` checks the model",
        ) from None
    if result["state"] != "succeeded":
        raise PixdError(
            f"{what} failed: {result['error']['message']}",
            advice=result["error"]["advice"] or advice,
        )
    return result
