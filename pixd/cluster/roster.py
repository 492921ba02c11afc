"""What a bridge knows of the cluster, as it tells the service by its report.

Safe to use from several threads. Once it watches, the cluster is asked now and then which machines
there are, in a thread: a head that is frozen answers never.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster.report import Machine, write_report
from pixd.system import backoff
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixd.cluster.carrier import Carrier
    from pixd.cluster.report import Report

LOOK_EVERY_S: Final = 5.0
AVOID_S: Final = 60.0
"""So long a machine that was lost is not asked again, unless no other has room."""
FIRST_REFUSED_S: Final = 10.0
LONGEST_REFUSED_S: Final = 300.0
"""So long a machine that will not do is not asked again; each time twice as long, up to this."""


class Roster:
    """The machines of a cluster: which there are, which will not do, and what they do for the bridge."""

    def __init__(self, carrier: Carrier, folder: Path, report: Report) -> None:
        """Keep `report`, which goes into `folder`."""
        self.report = report
        self._carrier, self._folder = carrier, folder
        self._lock = threading.Lock()
        # By attempt: on which machine, and when it was heard.
        self._up: dict[str, tuple[str, Callable[[], float]]] = {}
        self._counted: dict[str, tuple[float, int]] = {}  # when images were counted, and how many
        # By machine that will not do: how often in a row it would not, and when it is asked again.
        self._refused: dict[str, tuple[int, float]] = {}

    def tell(self) -> None:
        """Write the report."""
        with self._lock, contextlib.suppress(OSError):  # the result will say it too
            write_report(self._folder, self.report)

    def watch(self) -> None:
        """Look from now on which machines there are, and how fast they are."""
        threading.Thread(target=self._watch, name="which machines there are", daemon=True).start()

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(PixdError):  # whoever needs the cluster finds out too
                self._look()
            self._measure(time.monotonic())
            self.tell()
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        nodes = {node.id: node for node in self._carrier.nodes()}
        with self._lock:
            self.report.looked_at = time.monotonic()
            for id_, node in nodes.items():
                machine = self._machine(id_, node.name)
                machine.cpus, machine.gpus = node.cpus, node.gpus
            for id_, machine in self.report.machines.items():
                machine.is_there = id_ in nodes

    def _measure(self, now: float) -> None:
        with self._lock:
            for id_, heard_at in self._up.values():
                machine = self.report.machines[id_]
                machine.heard_at = max(machine.heard_at, heard_at())
            for id_, machine in self.report.machines.items():
                at, images = self._counted.get(id_, (now, machine.images))
                if now > at:
                    machine.images_per_second = round((machine.images - images) / (now - at), 2)
                self._counted[id_] = (now, machine.images)

    def _machine(self, id_: str, name: str) -> Machine:
        return self.report.machines.setdefault(id_, Machine(name=name))

    # -- which of them will do --------------------------------------------------------------

    def avoided(self, *, lost: bool) -> frozenset[str]:
        """Return the machines not to ask now; with `lost`, those too that were lost of late.

        One that would not do is asked again after a while: somebody may have mended it.
        """
        now = time.monotonic()
        with self._lock:
            found = {id_ for id_, (_, again_at) in self._refused.items() if now < again_at}
            if lost:
                since = now - AVOID_S
                machines = self.report.machines.items()
                found |= {id_ for id_, one in machines if one.lost_at > since}
            return frozenset(found)

    def why_not(self) -> list[str]:
        """Return why machines get no work."""
        with self._lock:
            return list(self.report.left_out.values())

    # -- what is noted ----------------------------------------------------------------------

    def note_about(self, about: dict[str, Any], why_not: str) -> None:
        """Note what a host told of its machine, and why that gets no work, or ""."""
        id_ = str(about["node_id"])
        with self._lock:
            machine = self._machine(id_, "")
            machine.name = str(about["host"])
            machine.free_bytes = int(about.get("free_bytes", 0))
            machine.heard_at = time.monotonic()
            machine.why_not = why_not
            times, _ = self._refused.pop(id_, (0, 0.0))
            if why_not:
                wait_s = backoff.wait_s(times + 1, FIRST_REFUSED_S, LONGEST_REFUSED_S)
                self._refused[id_] = times + 1, time.monotonic() + wait_s
        self.tell()

    def note_waits(self, what: str) -> None:
        """Note what is waited for; "" for nothing."""
        if what != self.report.waits:
            self.report.waits, self.report.waits_at = what, time.monotonic() if what else 0.0
            self.tell()

    def note_up(self, attempt: str, id_: str, heard_at: Callable[[], float]) -> None:
        """Note that a host works for an attempt.

        Args:
            attempt: names it.
            id_: of its machine.
            heard_at: tells when it was last heard, monotonic seconds.
        """
        with self._lock:
            self._up[attempt] = id_, heard_at
            self._count(id_)
        self.tell()

    def note_image(self, id_: str) -> None:
        """Note that a machine made an image. It is told with what comes next."""
        with self._lock:
            self._machine(id_, id_).images += 1

    def note_lost(self, attempt: str, id_: str, why: str) -> None:
        """Note that the host of an attempt is gone; `why` is of `pixd.store.engine_beat`."""
        with self._lock:
            self._up.pop(attempt, None)
            machine = self._count(id_)
            machine.lost += 1
            machine.lost_at = time.monotonic()
            machine.images_per_second *= bool(machine.hosts)
            self.report.lost_by[why] = self.report.lost_by.get(why, 0) + 1
        self.tell()

    def _count(self, id_: str) -> Machine:
        machine = self._machine(id_, id_)
        machine.hosts = sum(where == id_ for where, _ in self._up.values())
        return machine

    def end(self) -> None:
        """Tell that nothing works for the bridge any more."""
        with self._lock:
            for machine in self.report.machines.values():
                machine.hosts, machine.images_per_second = 0, 0.0
            self._up.clear()
        self.report.waits, self.report.waits_at = "", 0.0
        self.tell()
