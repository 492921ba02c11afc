"""A machine that will not do is left out, and asked again after a while: somebody may have mended it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pixd.cluster import contact, roster, versions
from pixd.cluster.carrier import Needs, Node
from pixd.cluster.contact import Finder
from pixd.cluster.order import Order
from pixd.cluster.report import Report
from pixd.cluster.roster import Roster
from tests.support.carrier_contract import order_for

GB = 10**9


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class OneMachine:
    """A cluster with one machine, which has room for one host; `free_bytes` of its disk are free."""

    def __init__(self, clock: Clock) -> None:
        self.free_bytes = GB
        self.asked_at: list[float] = []
        self._clock = clock

    def host(self, needs: Needs, *, avoiding: frozenset[str] = frozenset()) -> FakeLink:
        assert needs == Needs(cpus=1)
        return FakeLink(self, is_placed="m1" not in avoiding)

    def nodes(self) -> list[Node]:
        return [Node(id="m1", name="m1", cpus=1)]

    def close(self) -> None:
        """Nothing is held."""

    def about(self) -> dict[str, Any]:
        self.asked_at.append(self._clock.now)
        told = {"host": "m1", "node_id": "m1", "free_bytes": self.free_bytes}
        return {**versions.own(), **told}


class FakeLink:
    """A host of the machine, or one that waits for ever."""

    def __init__(self, machine: OneMachine, *, is_placed: bool) -> None:
        self._machine, self._is_placed = machine, is_placed

    def is_placed(self) -> bool:
        return self._is_placed

    def call(self, method: str, *arguments: Any, within_s: float) -> Any:
        assert within_s > 0
        return self._machine.about() if method == "about" else f"/work/{arguments[0]}"

    def stream(self, method: str, *arguments: Any) -> Any:
        raise NotImplementedError

    def kill(self) -> None:
        """It holds nothing."""


class TooLongError(Exception):
    """The time of the test is over."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(contact, "time", made)
    monkeypatch.setattr(roster, "time", made)
    return made


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return order_for("", "", "", tmp_path)


def test_a_machine_whose_disk_was_full_gets_work_once_somebody_freed_it(
    clock: Clock, order: Order, tmp_path: Path
) -> None:
    machine, report = OneMachine(clock), Report()
    said: list[str] = []

    def beat(words: str) -> None:
        said.append(words)
        if clock.now > 1004:
            machine.free_bytes = 500 * GB
        if clock.now > 1060:
            raise TooLongError

    host = Finder(machine, order, Roster(machine, tmp_path, report)).find(beat)
    assert host.name == "m1"
    assert machine.asked_at == pytest.approx([1000, 1010], abs=1)
    assert report.left_out == {}
    assert report.machines["m1"].free_bytes == 500 * GB
    assert (report.waits, report.waits_at) == ("", 0.0)


def test_a_machine_that_stays_full_is_asked_less_and_less_often_and_is_told_of_meanwhile(
    clock: Clock, order: Order, tmp_path: Path
) -> None:
    machine, report = OneMachine(clock), Report()
    said: dict[str, None] = {}

    def beat(words: str) -> None:
        said[words] = None
        assert report.left_out == ({"m1": why} if machine.asked_at else {})
        if clock.now > 1000 + 1300:
            raise TooLongError

    why = "m1 has 1.0 GB free on the disk of its cache: free some there"
    with pytest.raises(TooLongError):
        Finder(machine, order, Roster(machine, tmp_path, report)).find(beat)
    waits = [after - before for before, after in pairwise(machine.asked_at)]
    assert waits == pytest.approx([10, 20, 40, 80, 160, 300, 300, 300], abs=1)
    assert list(said) == [
        why,
        "",
        f"waiting for 1 CPU on the cluster; {why}; what is left out is asked again by itself",
    ]


def test_a_wait_is_counted_from_its_beginning_although_a_machine_is_asked_meanwhile(
    clock: Clock, order: Order, tmp_path: Path
) -> None:
    machine, report = OneMachine(clock), Report()
    since: set[float] = set()

    def beat(_: str) -> None:
        if report.waits:
            since.add(report.waits_at)
        if clock.now > 1200:
            raise TooLongError

    with pytest.raises(TooLongError):
        Finder(machine, order, Roster(machine, tmp_path, report)).find(beat)
    assert len(since) == 1
    assert len(machine.asked_at) > 3
