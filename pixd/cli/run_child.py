"""A child that a command starts for one piece of work and waits for, with a line of progress."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from pixd.cli.terminal import Progress
from pixd.system.children.spawner import NoResultError, run_to_end
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.system.children.spawner import Spawner
    from pixd.system.children.spec import Result, Spec


def run_child(
    spawner: Spawner,
    module: str,
    spec: Spec,
    scratch: Path,
    *,
    what: str,
    advice: str,
    within_s: float = math.inf,
) -> Result:
    """Run a child to its end and return its result.

    Args:
        spawner: starts it.
        module: what ``python -m`` runs.
        spec: its run spec; the scratch folder is filled in.
        scratch: an empty folder that belongs to the caller.
        what: for people, as in "the export failed".
        advice: what to do, if the child gives no advice.
        within_s: the child is ended after this many seconds.

    Raises:
        PixdError: it failed, was killed or took too long.
    """
    progress = Progress()
    began = time.monotonic()

    def told(phase: str) -> None:
        progress.show(f"{phase}, {time.monotonic() - began:.0f} s")

    try:
        result = run_to_end(spawner, module, spec, scratch, told=told, within_s=within_s)
    except NoResultError as error:
        raise PixdError(
            f"{what} failed: {error.message}",
            advice="free memory if it was killed, then try again; `pixd verify` checks the model",
        ) from None
    finally:
        progress.clear()
    if problem := result.error:
        raise PixdError(f"{what} failed: {problem['message']}", advice=problem["advice"] or advice)
    return result
