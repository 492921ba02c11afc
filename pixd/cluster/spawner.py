"""Starts trainers and translators on a cluster, by bridges; every other child on this machine.

It also knows how the cluster is, for the status and for whether a training may begin: by the reports
of the bridges, and by a connection to the head now and then.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster import reach
from pixd.cluster.fault import NONE, Fault
from pixd.cluster.order import MODULE, order_of, to_document
from pixd.cluster.report import read_report
from pixd.cluster.sight import Sight
from pixd.system.children import confinement
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import TrainSpec, TranslateSpec
from pixd.system.children.worker import Worker
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import RaySettings
    from pixd.system.children.confined_child import ConfinedChild
    from pixd.system.children.spec import Spec

ON_CLUSTER: Final = ("pixd.pix2pix.train", "pixd.pix2pix.translator")
LOOK_EVERY_S: Final = 10.0
LOOK_AGAIN_S: Final = 2.0
TRY_EVERY_S: Final = 30.0
FALL_BACK_AFTER_S: Final = 30.0


class ClusterSpawner:
    """Starts children where the settings say; see `pixd.system.children.spawner.Spawner`."""

    def __init__(self, ray: RaySettings) -> None:
        """Use the cluster of `ray`."""
        self._ray = ray
        self._local = LocalSpawner()
        self._bridges: dict[Path, Worker] = {}
        self._sight = Sight()
        self._lock = threading.Lock()
        self._unreachable = self._refused = NONE  # why nobody answers; why a bridge was refused
        self._since = ""  # RFC 3339
        self._away_at = self._refused_at = 0.0  # monotonic seconds
        self._is_closed = threading.Event()
        threading.Thread(target=self._look, name="look at the cluster", daemon=True).start()

    # -- children -------------------------------------------------------------------------

    def start(self, module: str, spec: Spec, scratch: Path, log: Path, *, nice: int = 0) -> Worker:
        """Start a child, on the cluster if it is one of those that run there."""
        if module not in ON_CLUSTER or self._falls_back():
            return self._local.start(module, spec, scratch, log, nice=nice)
        assert isinstance(spec, TrainSpec | TranslateSpec)  # those modules take no other
        order = order_of(self._ray, module, spec, nice)
        worker = Worker.start(MODULE, to_document(order), scratch, log)
        self._bridges[scratch] = worker
        return worker

    def start_confined(
        self, module: str, spec: Spec, *, megapixels: int = confinement.MEGAPIXELS
    ) -> ConfinedChild:
        """Start a child on this machine."""
        return self._local.start_confined(module, spec, megapixels=megapixels)

    # -- the cluster ----------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """What is wrong with the cluster, and since when; or ""."""
        self._hear()
        why = self._fault().why
        return f"{why}, since {self._since[:16].replace('T', ' ')} UTC" if why else ""

    def _fault(self) -> Fault:
        unreachable = self._unreachable  # a thread may change it
        return unreachable if unreachable.why else self._refused

    def why_not(self) -> str:
        """Say why a child would not find the cluster now; "" where it would, or works here."""
        if self._falls_back() or (why := self.trouble) == "":
            return ""
        # Only another attempt can tell whether a cluster that refused still does.
        is_time = time.monotonic() - self._refused_at >= TRY_EVERY_S
        return "" if is_time and not self._unreachable.why else why

    def trainings_at_once(self) -> int:
        """Return what the settings say; 1 while this machine does the work."""
        return 1 if self._falls_back() else self._ray.train.most

    def note_away(self, why: str, mend: str) -> None:
        """Note that a bridge could not join the cluster, or lost it."""
        self._refused_at = time.monotonic()
        self._note(refused=Fault(why, mend))

    def told(self) -> dict[str, Any]:
        """Return how the cluster is, as the service's heartbeat has it."""
        trouble = self.trouble  # which takes in what the bridges report
        return {
            "kind": "ray",
            "address": self._ray.address,
            "why": trouble,
            "mend": self._fault().mend if trouble else "",
            "since": self._since if trouble else "",
            "falls_back": self._falls_back(),
            **self._sight.told(time.monotonic()),
        }

    def _falls_back(self) -> bool:
        """Tell whether this machine does the work meanwhile."""
        if self._ray.fallback != "local" or not self._fault().why:
            return False
        return time.monotonic() - self._away_at >= FALL_BACK_AFTER_S

    def _hear(self) -> None:
        """Take in what bridges report, and forget those that have ended."""
        for scratch, worker in list(self._bridges.items()):
            report = read_report(scratch)
            if report:
                self._sight.take(scratch, report)
            if worker.poll() is not None:
                del self._bridges[scratch]
                self._sight.end(scratch)
            elif report and report.hosts and self._refused.why:
                self._note(refused=NONE)

    def _note(self, *, unreachable: Fault | None = None, refused: Fault | None = None) -> None:
        with self._lock:
            was_away = bool(self._fault().why)
            self._unreachable = self._unreachable if unreachable is None else unreachable
            self._refused = self._refused if refused is None else refused
            if not was_away and self._fault().why:
                self._since, self._away_at = utc_now(), time.monotonic()

    def _look(self) -> None:
        """Ask the head for a connection now and then, in a thread: the loop must not wait for it."""
        misses = 0
        while not self._is_closed.is_set():
            fault = reach.why_no_answer(self._ray.address, self._ray.tls)
            misses = misses + 1 if fault else 0
            if fault and misses > 1:  # one miss may be a network that hiccups
                why = f"{reach.no_answer(self._ray.address)}: {fault.why}"
                self._note(unreachable=Fault(why, fault.mend))
            elif not fault:
                self._note(unreachable=NONE, refused=NONE if self._is_over() else None)
            self._is_closed.wait(LOOK_AGAIN_S if misses == 1 else LOOK_EVERY_S)

    def _is_over(self) -> bool:
        """Tell whether the head, which answers, did not when a bridge ended, some time ago.

        With work to do the next bridge would find out; without, nobody would.
        """
        is_time = time.monotonic() - self._refused_at >= TRY_EVERY_S
        return is_time and reach.is_over_when_it_answers(self._refused.why, self._ray.address)

    def close(self) -> None:
        """Look no more whether the head answers."""
        self._is_closed.set()
