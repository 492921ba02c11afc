"""What fault 21 shares: a pipeline on a cluster, what is dropped there, and what was made where.

Each life of a machine has a name of its own: n1, and n1.2 once it was started again. An output's run
names the machine that made it, so the store tells which life did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from pixd.cluster.report import REPORT_FILE, Machine, read_report
from pixd.system.clock import utc_now
from tests.support.ray_nodes import RayNodes, until_engine
from tests.support.tiny import Tiny, small_png

WITHIN_S = 600.0
CUT_S = 60.0  # a machine
HANGS_S = 45.0  # a machine, at most; it is given up after 8 s
AWAY_S = 60.0  # the head, at most
MORE = 25  # outputs after a fault; what was on its way to the store when it came is not going on
LOOK_EVERY_S = 0.1
RAY_TELLS_WITHIN_S = 12.0  # a machine that is back whether it was given up meanwhile
SURE_S = 1.0
"""A new host on the machine cannot have given anything so long before its bridge tells of it: between
the two it loads the model."""


def name_of(number: int) -> str:
    return f"{number:05}.png"


def drop(tiny: Tiny, numbers: range) -> None:
    for number in numbers:
        made = tiny.folder / name_of(number)
        made.write_bytes(small_png(number))
        made.rename(tiny.folder / "input" / made.name)


def translated(tiny: Tiny) -> int:
    return int(tiny.part()["input"]["translated"])


def until_translated(tiny: Tiny, count: int) -> None:
    tiny.until(lambda part: part["input"]["translated"] >= count, WITHIN_S)


def at_work(tiny: Tiny) -> list[str]:
    """Wait until machines translate; return their names."""
    names: str = until_engine(tiny, lambda told: told.get("translating"))["translating"]
    return names.split()


def reported(tiny: Tiny, life: str) -> list[Machine]:
    """Return what bridges wrote last of a machine: sooner than the service tells it."""
    scratch = tiny.folder / "store" / "scratch"
    reports = [read_report(path.parent) for path in scratch.glob(f"*/{REPORT_FILE}")]
    machines = [one for report in reports if report for one in report.machines.values()]
    return [one for one in machines if one.name == life]


def is_given_up(tiny: Tiny, life: str, since: float) -> bool:
    """Tell whether the hosts on a machine were given up. `since`: monotonic seconds."""
    return any(one.lost_at > since and not one.hosts for one in reported(tiny, life))


def is_at_work(tiny: Tiny, life: str) -> bool:
    return any(one.hosts for one in reported(tiny, life))


def until(is_so: Callable[[], object], within_s: float = WITHIN_S) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, f"not so after {within_s} s"
        time.sleep(LOOK_EVERY_S)


class Lives:
    """The machines of a cluster by their own names, each with the name of its present life."""

    def __init__(self, nodes: RayNodes, *names: str) -> None:
        """Take the first lives of `names`, which have joined."""
        self._nodes = nodes
        self._count = dict.fromkeys(names, 1)

    def life(self, name: str) -> str:
        count = self._count[name]
        return name if count == 1 else f"{name}.{count}"

    @staticmethod
    def machine(life: str) -> str:
        return life.partition(".")[0]

    def again(self, name: str) -> None:
        """Start a machine again, which has died."""
        self._count[name] += 1
        self._nodes.add(name, PIXD_NODE=self.life(name))

    def mend(self) -> list[str]:
        """Start again what has ended, as the unit does; return the machines."""
        ended = [name for name in self._count if self._nodes.has_ended(name)]
        for name in ended:
            self.again(name)
            self._nodes.until_up(name)
        return ended


@dataclass(frozen=True, kw_only=True)
class Silence:
    """One outage of a machine that came back.

    Attributes:
        life: of the machine, by name.
        given_up: when it was, RFC 3339.
        ends: when another host began to work in the same life, or all was translated.
    """

    life: str
    given_up: str
    ends: str


def fenced(tiny: Tiny, silences: list[Silence]) -> int:
    """Return how many outputs were published that a host made that had been given up before."""
    found = 0
    for one in silences:
        ((count,),) = tiny.rows(
            "SELECT count(*) FROM run JOIN environment ON environment.digest = run.environment"
            " WHERE kind = 'translate' AND json_extract(body, '$.node') = ?"
            " AND julianday(finished_at) BETWEEN julianday(?) AND julianday(?) - ? / 86400",
            one.life, one.given_up, one.ends, SURE_S,
        )  # fmt: skip
        found += count
    return found


@dataclass(frozen=True, kw_only=True)
class Outage:
    """How a machine falls silent, and how it is back.

    Attributes:
        begin: does the one to a machine.
        end: does the other.
        seconds: how long it takes at least; no less than until the machine is given up.
    """

    begin: Callable[[str], object]
    end: Callable[[str], object]
    seconds: float


def until_mended(tiny: Tiny, lives: Lives, count: int) -> None:
    """Wait until so many are translated, and start again what ends meanwhile."""

    def is_so() -> bool:
        lives.mend()
        return translated(tiny) >= count

    until(is_so)


def settle(lives: Lives) -> None:
    """Give Ray the time to end what it has given up, and start that again."""
    ends_at = time.monotonic() + RAY_TELLS_WITHIN_S
    until(lambda: bool(lives.mend()) or time.monotonic() > ends_at)


def silenced(
    tiny: Tiny, lives: Lives, life: str, outage: Outage, dropped: range, more: range
) -> tuple[Silence, float]:
    """Have a machine fall silent for an outage, and wait until everything is translated.

    Return the silence, and the seconds from its beginning until all of `dropped` are translated,
    what the machine held as well. `more` are inputs that are dropped just before it is back: it comes
    back to work.
    """
    machine = lives.machine(life)
    began = time.monotonic()
    outage.begin(machine)
    given_up = again = ""
    took_s = 0.0

    def look() -> None:
        nonlocal took_s, given_up
        if not given_up and is_given_up(tiny, life, began):
            given_up = utc_now()
        if not took_s and all((tiny.folder / "output" / name_of(one)).exists() for one in dropped):
            took_s = time.monotonic() - began

    def is_over() -> bool:
        look()
        return bool(given_up) and time.monotonic() - began >= outage.seconds

    def is_done() -> bool:
        nonlocal again
        if not again and is_at_work(tiny, life):
            again = utc_now()
        look()
        lives.mend()
        return translated(tiny) >= more.stop and took_s > 0

    until(is_over)
    drop(tiny, more)
    outage.end(machine)
    until(is_done)
    return Silence(life=life, given_up=given_up, ends=again or utc_now()), took_s


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a run on a cluster has made, beside one without."""

    lost: int
    twice: int
    other: int
    is_met: bool

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.twice} twice, {self.other} of other bytes"


def compared(there: Tiny, here: Tiny, total: int) -> Compared:
    """Translate the same inputs on this machine alone, and compare; both services have ended."""
    states: list[tuple[Any, ...]] = there.rows(
        "SELECT state, count(*) FROM run WHERE kind = 'translate' GROUP BY 1"
    )
    ((keys,),) = there.rows("SELECT count(DISTINCT key) FROM run WHERE kind = 'translate'")
    drop(here, range(total))
    here.once()
    mine, theirs = here.outputs(), there.outputs()
    return Compared(
        lost=len(mine.keys() - theirs.keys()),
        twice=dict(states).get("succeeded", 0) - keys,
        other=sum(theirs[name] != data for name, data in mine.items() if name in theirs),
        is_met=states == [("succeeded", total)] and keys == total and mine == theirs,
    )


def centiles(seconds: list[float]) -> str:
    """Write the median and the 95th centile."""
    parts = quantiles(seconds * 2 if len(seconds) == 1 else seconds, n=20, method="inclusive")
    return f"{parts[9]:.1f} s (p50), {parts[18]:.1f} s (p95)"
