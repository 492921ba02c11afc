"""How children are started: as processes of this machine, or as another `Spawner` does it.

Code that needs a child is given the spawner. So children can run elsewhere one day, and the code
that uses them does not change.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from pixd.system.children import confinement
from pixd.system.children.confined_child import ConfinedChild
from pixd.system.children.spec import SpecError, read_result, to_json
from pixd.system.children.worker import Worker
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixd.system.children.spec import Result, Spec

CLUSTER: Final = "cluster"
"""Kind of the error in a result: where the child runs is away, and nothing that was asked is at fault."""
LOOK_EVERY_S = 0.05


class Spawner(Protocol):
    """Starts children."""

    def start(self, module: str, spec: Spec, scratch: Path, log: Path, *, nice: int = 0) -> Worker:
        """Start a child that sends events.

        Args:
            module: what ``python -m`` runs.
            spec: its run spec.
            scratch: a folder that exists; its working directory.
            log: takes its standard error.
            nice: how much to lower its priority.

        Raises:
            OSError: the spec or log cannot be written, or no process can be made.
        """

    def start_confined(
        self, module: str, spec: Spec, *, megapixels: int = confinement.MEGAPIXELS
    ) -> ConfinedChild:
        """Start a child that decodes pictures and answers one request at a time.

        Args:
            module: what ``python -m`` runs.
            spec: its run spec.
            megapixels: the picture size that its limits are for.

        Raises:
            OSError: no process can be made.
        """

    def why_not(self) -> str:
        """Say why a child could do nothing now, wherever it is started; or ""."""

    def trainings_at_once(self) -> int:
        """Return how many trainings may run at the same time, each of another pipeline."""

    def note_away(self, why: str, mend: str) -> None:
        """Note that a child ended because where it runs is away; see `CLUSTER`.

        Args:
            why: it is.
            mend: what mends it, or "".
        """

    def told(self) -> Mapping[str, Any]:
        """Return the fields of `pixd.store.heartbeat.Engine`; none for this machine alone."""

    def close(self) -> None:
        """Start nothing more."""


class LocalSpawner:
    """Starts children as processes of this machine."""

    def start(self, module: str, spec: Spec, scratch: Path, log: Path, *, nice: int = 0) -> Worker:
        """Start a child; see `Spawner`."""
        return Worker.start(module, to_json(spec), scratch, log, nice=nice)

    def start_confined(
        self, module: str, spec: Spec, *, megapixels: int = confinement.MEGAPIXELS
    ) -> ConfinedChild:
        """Start a child; see `Spawner`."""
        return ConfinedChild(module, spec, megapixels=megapixels)

    def why_not(self) -> str:
        """Return "": this machine is here."""
        return ""

    def trainings_at_once(self) -> int:
        """Return 1: a second one would take the processor or the GPU from the first."""
        return 1

    def note_away(self, why: str, mend: str) -> None:
        """Never called: no child of this machine says so."""

    def told(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class NoResultError(PixdError):
    """A child ended without a result; the message says how."""


class OvertimeError(NoResultError):
    """A child took too long and was ended."""


def run_to_end(
    spawner: Spawner,
    module: str,
    spec: Spec,
    scratch: Path,
    *,
    told: Callable[[str], object],
    within_s: float = math.inf,
) -> Result:
    """Start a child with one task, wait for its end and return its result.

    Args:
        spawner: starts it.
        module: what ``python -m`` runs.
        spec: its run spec; the scratch folder is filled in.
        scratch: an empty folder of the caller's; the child's log goes there too.
        told: called repeatedly with what the child does now.
        within_s: the child is ended after this many seconds.

    Raises:
        NoResultError: the child left no result.
        OSError: it cannot be started.
    """
    full = dataclasses.replace(spec, scratch=str(scratch))
    worker = spawner.start(module, full, scratch, scratch / "log")
    began = time.monotonic()
    phase = "starting"
    while worker.poll() is None:
        for event in worker.read_events():
            phase = str(event.get("phase", phase))
        told(phase)
        if time.monotonic() - began > within_s:
            worker.kill()
            raise OvertimeError(f"it did not end within {within_s:.0f} s")
        time.sleep(LOOK_EVERY_S)
    try:
        return read_result(scratch)
    except (OSError, ValueError, SpecError):
        raise NoResultError(worker.exit_text()) from None
