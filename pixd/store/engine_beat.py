"""The part of the heartbeat that is about the cluster that children run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WORKING, IDLE, NO_ROOM, LEFT_OUT, LOST = NODE_STATES = (
    "working",
    "idle",
    "no-room",
    "left-out",
    "lost",
)
"""States of a machine. One with no room gives nothing away, as a head that only keeps the books."""
LOST_REASONS = DIED, SILENT, DAMAGED, DISK = "died", "silent", "damaged", "disk"
"""Why a host is given up: its connection broke, it said nothing, what it sent was not what it named, or
its disk refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the cluster.

    Attributes:
        name: for people.
        state: of `NODE_STATES`.
        gpus: that it has to give.
        cpus: that it has to give.
        free_bytes: on the disk of its cache; None before something ran there.
        runs: how many hosts of which work it has, such as "training facades".
        images_per_second: its rate; 0 where it translates nothing.
        heard_seconds: for how long nothing was heard of it; None where it never was.
        lost: how often it was lost while it worked, since the service started.
        why_not: why it gets no work; or "".
    """

    name: str = ""
    state: str = IDLE
    gpus: float = 0.0
    cpus: float = 0.0
    free_bytes: int | None = None
    runs: Mapping[str, int] = field(default_factory=dict)
    images_per_second: float = 0.0
    heard_seconds: float | None = None
    lost: int = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The cluster that children run on. What counts up does so since the service started.

    Attributes:
        kind: ray.
        address: of its head.
        why: why it cannot be used, and since when; or "".
        mend: what mends that; "" where nobody can tell, or it can be used.
        since: since when it cannot, RFC 3339; "" where it can.
        falls_back: whether this machine does the work meanwhile.
        training: names of the machines that train, with spaces between.
        translating: of those that translate; one that does it twice is named twice.
        left_out: why a machine gets no work, by its name.
        nodes: the machines, by the cluster's own name of each; as they were when work last ran there.
        waits: what is waited for, such as "1 GPU and 4 CPUs", or "".
        waiting: the same for each work that waits, such as "training facades".
        wait_seconds: for how long the first of them has waited; 0 where nothing does.
        lost: machines that were lost while they worked.
        lost_by: the same, by the stage (train or translate) and the reason (`LOST_REASONS`).
        asked_again: images that were asked for again for that reason, or because one was slow.
        steps_again: steps of trainings that were done again for that reason.
        sent_bytes: to machines.
        received_bytes: from machines.
    """

    kind: str = "ray"
    address: str = ""
    why: str = ""
    mend: str = ""
    since: str = ""
    falls_back: bool = False
    training: str = ""
    translating: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    waits: str = ""
    waiting: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    lost: int = 0
    lost_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    asked_again: int = 0
    steps_again: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
