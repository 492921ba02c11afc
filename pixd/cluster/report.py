"""What a bridge tells of the cluster: which machines there are, what they do for it, what is lost.

It is a file beside the result, because the service reads it at any time, also after the bridge has
ended in a way in which nothing more could be said. Instants in it are of the clock that all processes
of this machine share (`time.monotonic`).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPORT_FILE: Final = "engine.json"
"""Name of the report in the bridge's folder."""


@dataclass(kw_only=True)
class Machine:
    """A machine of the cluster, as one bridge knows it.

    Attributes:
        name: for people.
        cpus: that it has to give.
        gpus: that it has to give.
        is_there: whether the cluster still counts it.
        free_bytes: on the disk of its cache; 0 before a host of the bridge ran there.
        hosts: of the bridge that work there now.
        images: that it made for the bridge.
        images_per_second: its rate in the last seconds.
        heard_at: when a host there was last heard, monotonic seconds; 0 for never.
        lost: hosts of the bridge that were lost there.
        lost_at: when the last one was, monotonic seconds; 0 for never.
        why_not: why it gets no work; or "".
    """

    name: str = ""
    cpus: float = 0.0
    gpus: float = 0.0
    is_there: bool = True
    free_bytes: int = 0
    hosts: int = 0
    images: int = 0
    images_per_second: float = 0.0
    heard_at: float = 0.0
    lost: int = 0
    lost_at: float = 0.0
    why_not: str = ""


@dataclass(kw_only=True)
class Report:
    """What a bridge tells of the cluster.

    Attributes:
        stage: ``train`` or ``translate``.
        pipeline: whose.
        waits: what is waited for, such as "1 GPU and 4 CPUs"; "" while nothing is.
        waits_at: since when, monotonic seconds.
        machines: what is known of each machine, by the carrier's name of it.
        looked_at: when the cluster was last asked which there are, monotonic seconds; 0 for never.
        lost_by: hosts that were lost, by the reason (`LOST_REASONS`).
        asked_again: images that were asked for again because their host was lost or slow.
        steps_again: steps of a training that were done again because their host was lost.
        sent_bytes: to hosts.
        received_bytes: from hosts.
    """

    stage: str = ""
    pipeline: str = ""
    waits: str = ""
    waits_at: float = 0.0
    machines: dict[str, Machine] = field(default_factory=dict)
    looked_at: float = 0.0
    lost_by: dict[str, int] = field(default_factory=dict)
    asked_again: int = 0
    steps_again: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0

    @property
    def hosts(self) -> list[str]:
        """The names of the machines that work, one for each host."""
        return sorted(one.name for one in self.machines.values() for _ in range(one.hosts))

    @property
    def left_out(self) -> dict[str, str]:
        """Why a machine gets no work, by its name."""
        return {one.name: one.why_not for one in self.machines.values() if one.why_not}

    @property
    def lost(self) -> int:
        """How many hosts were lost."""
        return sum(self.lost_by.values())


def write_report(folder: Path, report: Report) -> None:
    """Replace the report in a folder. It need not be durable."""
    temporary = folder / f".{REPORT_FILE}.tmp"
    temporary.write_text(json.dumps(dataclasses.asdict(report)), encoding="utf-8")
    temporary.replace(folder / REPORT_FILE)


def read_report(folder: Path) -> Report | None:
    """Return the report in a folder, or None where there is none."""
    try:
        found = json.loads((folder / REPORT_FILE).read_bytes())
        machines = {id_: Machine(**one) for id_, one in found.pop("machines").items()}
        return Report(**found, machines=machines)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
