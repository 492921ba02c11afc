"""What the service knows of the cluster: what its bridges report, and what those reported that ended.

A machine is known since a bridge told of it, and is forgotten an hour after it was last heard of. Its
numbers are the sum over the bridges that have work there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster.report import Machine
from pixd.store.engine_beat import IDLE, LEFT_OUT, LOST, NO_ROOM, WORKING, Node

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixd.cluster.report import Report

FORGET_S: Final = 3600.0
LOST_FOR_S: Final = 60.0
"""So long a machine that was lost is told to be, unless it works again."""
DOING: Final = {"train": "training", "translate": "translating"}
_COUNTED: Final = ("asked_again", "steps_again", "sent_bytes", "received_bytes")


class Sight:
    """The machines of a cluster and what was lost there, since the service started."""

    def __init__(self) -> None:
        """Know nothing."""
        self._reports: dict[Path, Report] = {}  # of bridges that run, by their folders
        self._counts: Counter[str] = Counter()  # of bridges that have ended
        self._lost_by: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lost_at_node: Counter[str] = Counter()
        self._known: dict[str, tuple[Machine, float]] = {}  # and when it was last heard of

    def take(self, folder: Path, report: Report) -> None:
        """Take in what the bridge of a folder reports."""
        self._reports[folder] = report
        for id_, machine in report.machines.items():
            before, at = self._known.get(id_, (Machine(), 0.0))
            at = max(at, machine.heard_at, report.looked_at * machine.is_there)
            # The name and the room that a host told are better than what the cluster tells.
            told = machine if machine.free_bytes or not before.free_bytes else before
            known = Machine(
                name=told.name,
                cpus=machine.cpus or before.cpus,
                gpus=machine.gpus or before.gpus,
                is_there=machine.is_there,
                free_bytes=told.free_bytes,
                lost_at=max(machine.lost_at, before.lost_at),
            )
            self._known[id_] = known, at
        for id_, (machine, at) in self._known.items():
            if id_ not in report.machines and at < report.looked_at:
                machine.is_there = False  # of a cluster before this one

    def end(self, folder: Path) -> None:
        """Note that the bridge of a folder has ended; its machines and its counts stay."""
        report = self._reports.pop(folder, None)
        if report is None:
            return
        for name in _COUNTED:
            self._counts[name] += getattr(report, name)
        self._lost_by[report.stage].update(report.lost_by)
        for id_, machine in report.machines.items():
            self._lost_at_node[id_] += machine.lost

    def told(self, now: float) -> dict[str, Any]:
        """Return the fields of `pixd.store.engine_beat.Engine` that are known here.

        Args:
            now: monotonic seconds.
        """
        reports = list(self._reports.values())
        waiting = [one for one in reports if one.waits]
        lost_by = {stage: Counter(lost) for stage, lost in self._lost_by.items()}
        for one in reports:
            lost_by.setdefault(one.stage, Counter()).update(one.lost_by)
        lost_by = {stage: lost for stage, lost in lost_by.items() if lost}
        return {
            **{doing: _names(reports, stage) for stage, doing in DOING.items()},
            "left_out": {name: why for one in reports for name, why in one.left_out.items()},
            "nodes": self._nodes(reports, now),
            "waits": next((one.waits for one in waiting), ""),
            "waiting": {_work(one): one.waits for one in waiting},
            "wait_seconds": round(max((now - one.waits_at for one in waiting), default=0.0), 1),
            "lost": sum(lost.total() for lost in lost_by.values()),
            "lost_by": {stage: dict(lost) for stage, lost in lost_by.items()},
            **{
                name: self._counts[name] + sum(getattr(one, name) for one in reports)
                for name in _COUNTED
            },
        }

    def _nodes(self, reports: Iterable[Report], now: float) -> dict[str, Node]:
        there = {machine.name for machine, _ in self._known.values() if machine.is_there}
        for id_, (machine, at) in list(self._known.items()):
            # A machine that comes back is another one to the cluster.
            is_replaced = not machine.is_there and machine.name in there
            if is_replaced or now - at > FORGET_S:
                del self._known[id_]
        found = {}
        for id_, (machine, at) in self._known.items():
            here = [(one, one.machines[id_]) for one in reports if id_ in one.machines]
            runs: Counter[str] = Counter()
            for one, part in here:
                runs[_work(one)] += part.hosts
            why_not = next((part.why_not for _, part in here if part.why_not), "")
            found[id_] = Node(
                name=machine.name,
                state=_state(machine, is_working=runs.total() > 0, why_not=why_not, now=now),
                gpus=machine.gpus,
                cpus=machine.cpus,
                free_bytes=machine.free_bytes or None,
                runs={work: count for work, count in runs.items() if count},
                images_per_second=round(sum(part.images_per_second for _, part in here), 2),
                heard_seconds=round(max(0.0, now - at), 1) if at else None,
                lost=self._lost_at_node[id_] + sum(part.lost for _, part in here),
                why_not=why_not,
            )
        return found


def _state(machine: Machine, *, is_working: bool, why_not: str, now: float) -> str:
    if is_working:
        return WORKING
    if why_not:
        return LEFT_OUT
    if not machine.is_there or (machine.lost_at and now - machine.lost_at < LOST_FOR_S):
        return LOST
    return IDLE if machine.cpus or machine.gpus else NO_ROOM


def _work(report: Report) -> str:
    return f"{DOING.get(report.stage, report.stage)} {report.pipeline}".strip()


def _names(reports: Iterable[Report], stage: str) -> str:
    return " ".join(sorted(name for one in reports if one.stage == stage for name in one.hosts))
