"""Fault 21: machines of a cluster die, hang or are cut off at random moments while they translate.

The real trainer's model, the real translator, and Ray; each machine is a host of a small network.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.system.clock import utc_now
from tests.e2e.test_cluster import _one_core, nodes
from tests.faults.clustered import (
    AWAY_S,
    CUT_S,
    HANGS_S,
    MORE,
    Lives,
    Outage,
    Silence,
    at_work,
    centiles,
    compared,
    drop,
    fenced,
    settle,
    silenced,
    translated,
    until,
    until_mended,
    until_translated,
)
from tests.faults.conftest import Figure
from tests.support import ray_nodes
from tests.support.ray_nodes import RayNodes, engine, on_cluster
from tests.support.tiny import Tiny

__all__ = ["_one_core", "nodes"]  # fixtures
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(why := ray_nodes.why_not()), reason=why),
]
SEED = 21
A_KILL = 100  # inputs that are dropped before a machine is killed
A_FAULT = 350  # before it falls silent
A_RETURN = 50  # and before it is back
A_HEAD = 300  # before the head is killed: hosts at work go on for some seconds
WITHOUT_HEAD = 100  # and before it is back
BAR = "0 lost, 0 twice, the same bytes"
FENCED_BAR = f"{BAR}, 0 of a fenced host"


@pytest.fixture
def both(template: Path, tmp_path: Path, nodes: RayNodes) -> Iterator[tuple[Tiny, Tiny]]:
    """Give a pipeline for this machine alone, and one whose service runs on the cluster."""
    with (
        Tiny.at(template).copied(tmp_path / "here") as here,
        Tiny.at(template).copied(tmp_path / "there") as there,
    ):
        on_cluster(there, nodes)
        there.start()
        yield here, there


def killed_at_work(
    tiny: Tiny, nodes: RayNodes, chance: random.Random, dropped: int
) -> tuple[str, float]:
    """Kill a node that translates; return its name and the seconds to `MORE` outputs, or the last."""
    victim = chance.choice(at_work(tiny))
    before = translated(tiny)
    nodes.kill(victim)
    began = time.monotonic()
    until_translated(tiny, min(before + MORE, dropped))
    return victim, time.monotonic() - began


def test_nodes_killed_at_random_moments_lose_nothing(
    both: tuple[Tiny, Tiny], nodes: RayNodes, figure: Figure, *, is_full_size: bool
) -> None:
    kills = 20 if is_full_size else 2
    chance = random.Random(SEED)
    here, there = both
    went_on_s = []
    for number in range(kills):
        drop(there, range(A_KILL * number, A_KILL * (number + 1)))
        until_translated(there, A_KILL * number + chance.randrange(A_KILL // 3))
        victim, took_s = killed_at_work(there, nodes, chance, A_KILL * (number + 1))
        went_on_s.append(took_s)
        nodes.add(victim)
        nodes.until_up(victim)
    total = kills * A_KILL
    until_translated(there, total)
    lost_hosts = engine(there)["lost"]
    assert there.stop() == 0
    found = compared(there, here, total)
    figure(
        21.1,
        f"a machine of a cluster killed at {kills} random moments of {total:,} translations",
        pixd=f"{found}, {lost_hosts} hosts lost; {MORE} more outputs after {centiles(went_on_s)}",
        bar=BAR,
        met=found.is_met,
    )


def test_a_head_killed_at_random_moments_loses_nothing(
    both: tuple[Tiny, Tiny], nodes: RayNodes, figure: Figure, *, is_full_size: bool
) -> None:
    kills = 5 if is_full_size else 1
    a_time = A_HEAD + WITHOUT_HEAD
    chance = random.Random(SEED)
    lives = Lives(nodes, "n1", "n2")
    silences, went_on_s = [], []
    here, there = both
    for number in range(kills):
        first = a_time * number
        drop(there, range(first, first + A_HEAD))
        until_translated(there, first + chance.randrange(A_HEAD // 3))
        working = at_work(there)
        nodes.kill("head")
        killed_at = utc_now()
        back_at = time.monotonic() + chance.uniform(0, AWAY_S)
        until(lambda at=back_at: time.monotonic() >= at)  # type: ignore[misc]
        before = translated(there)
        drop(there, range(first + A_HEAD, first + a_time))
        began = time.monotonic()
        nodes.head()
        until_mended(there, lives, before + MORE)
        went_on_s.append(time.monotonic() - began)
        until_mended(there, lives, first + a_time)
        if given_up := went_away(there, killed_at):
            ends = utc_now()
            silences += [Silence(life=life, given_up=given_up, ends=ends) for life in working]
        settle(lives)
    total = kills * a_time
    blamed = there.rows("SELECT count(*) FROM run WHERE state = 'failed'")
    assert there.stop() == 0
    late = fenced(there, silences)
    found = compared(there, here, total)
    assert blamed == [(0,)]
    figure(
        21.3,
        f"the head of a cluster killed at {kills} random moments of {total:,} translations,"
        f" started again 0 to {AWAY_S:.0f} s later",
        pixd=f"{found}, {late} of a fenced host; {MORE} more outputs {centiles(went_on_s)} after its"
        " start",
        bar=FENCED_BAR,
        met=found.is_met and not late,
    )


@pytest.mark.parametrize("fault", ["is cut off", "hangs"])
def test_machines_that_are_back_after_a_silence_publish_nothing_of_before(
    both: tuple[Tiny, Tiny],
    nodes: RayNodes,
    figure: Figure,
    fault: str,
    *,
    is_full_size: bool,
) -> None:
    times = 5 if is_full_size else 1
    chance = random.Random(SEED)
    lives = Lives(nodes, "n1", "n2")
    silences, went_on_s = [], []
    a_time = A_FAULT + A_RETURN
    here, there = both
    for number in range(times):
        first = a_time * number
        dropped = range(first, first + A_FAULT)
        more = range(dropped.stop, first + a_time)
        drop(there, dropped)
        until_translated(there, first + chance.randrange(50))
        life = chance.choice(at_work(there))
        outage = outage_of(fault, nodes, number, chance)
        silence, took_s = silenced(there, lives, life, outage, dropped, more)
        silences.append(silence)
        went_on_s.append(took_s)
        settle(lives)
    total = times * a_time
    asked_again = engine(there)["asked_again"]
    assert there.stop() == 0
    late = fenced(there, silences)
    found = compared(there, here, total)
    how = {"is cut off": f"cut off for {CUT_S:.0f} s", "hangs": "stopped (SIGSTOP) for 8 to 45 s"}
    figure(
        {"is cut off": 21.4, "hangs": 21.5}[fault],
        f"a machine of a cluster {how[fault]} and back, at {times} random moments of {total:,}"
        " translations",
        pixd=f"{found}, {late} of a fenced host, {asked_again} images asked for again; all that was"
        f" there was translated {centiles(went_on_s)} after",
        bar=FENCED_BAR,
        met=found.is_met and not late,
    )


def went_away(tiny: Tiny, since: str) -> str:
    """Return when a bridge ended because its cluster went away, RFC 3339; or "" if none did."""
    ((at,),) = tiny.rows(
        "SELECT min(at) FROM event WHERE kind = 'translator' AND message LIKE '%went away%'"
        " AND julianday(at) > julianday(?)",
        since,
    )
    return at or ""


def outage_of(fault: str, nodes: RayNodes, number: int, chance: random.Random) -> Outage:
    if fault == "hangs":
        # Every other one is back as soon as it is given up: what it held is not done elsewhere yet.
        seconds = chance.uniform(0, HANGS_S) if number % 2 else 0.0
        return Outage(begin=nodes.stop, end=nodes.go_on, seconds=seconds)
    cut = nodes.network.cut
    return Outage(
        begin=lambda name: cut(name, is_cut=True),
        end=lambda name: cut(name, is_cut=False),
        seconds=CUT_S,
    )
