"""Fault 21: machines of a cluster are killed at random moments while they translate.

The real trainer's model, the real translator, and Ray; each machine is a host of a small network.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from statistics import quantiles

import pytest

from tests.e2e.test_cluster import _one_core, engine, nodes, until_engine
from tests.faults.conftest import Figure
from tests.support import ray_nodes
from tests.support.ray_nodes import RayNodes, on_cluster
from tests.support.tiny import Tiny, small_png

__all__ = ["_one_core", "nodes"]  # fixtures
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(why := ray_nodes.why_not()), reason=why),
]
SEED = 21
A_KILL = 150  # inputs that are dropped for each kill
MORE = 25  # outputs after it; what was on its way to the store when the node died is not going on
WITHIN_S = 400.0


def drop(tiny: Tiny, numbers: range) -> None:
    for number in numbers:
        made = tiny.folder / f"{number:05}.png"
        made.write_bytes(small_png(number))
        made.rename(tiny.folder / "input" / made.name)


def translated(tiny: Tiny) -> int:
    return int(tiny.part()["input"]["translated"])


def killed_at_work(
    tiny: Tiny, nodes: RayNodes, chance: random.Random, dropped: int
) -> tuple[str, float]:
    """Kill a node that translates; return its name and the seconds to `MORE` outputs, or the last."""
    at_work = until_engine(tiny, lambda told: told.get("translating"))["translating"].split()
    victim = chance.choice(at_work)
    before = translated(tiny)
    nodes.kill(victim)
    began = time.monotonic()
    wanted = min(before + MORE, dropped)
    tiny.until(lambda part: part["input"]["translated"] >= wanted, WITHIN_S)
    return victim, time.monotonic() - began


def test_nodes_killed_at_random_moments_lose_nothing(
    template: Path, tmp_path: Path, nodes: RayNodes, figure: Figure, *, is_full_size: bool
) -> None:
    kills = 20 if is_full_size else 3
    chance = random.Random(SEED)
    with (
        Tiny.at(template).copied(tmp_path / "here") as here,
        Tiny.at(template).copied(tmp_path / "there") as there,
    ):
        on_cluster(there, nodes)
        there.start()
        went_on_s = []
        for number in range(kills):
            drop(there, range(A_KILL * number, A_KILL * (number + 1)))
            moment = A_KILL * number + chance.randrange(A_KILL // 3)
            there.until(lambda part, at=moment: part["input"]["translated"] >= at, WITHIN_S)  # type: ignore[misc]
            victim, took_s = killed_at_work(there, nodes, chance, A_KILL * (number + 1))
            went_on_s.append(took_s)
            nodes.add(victim)
            nodes.until_up(victim)
        total = kills * A_KILL
        there.until(lambda part: part["input"]["translated"] == total, WITHIN_S)
        lost_hosts = engine(there)["lost"]
        assert there.stop() == 0
        states = there.rows("SELECT state, count(*) FROM run WHERE kind = 'translate' GROUP BY 1")
        ((keys,),) = there.rows("SELECT count(DISTINCT key) FROM run WHERE kind = 'translate'")
        drop(here, range(total))
        here.once()
        mine, theirs = here.outputs(), there.outputs()
    lost = len(mine.keys() - theirs.keys())
    other = sum(theirs[name] != data for name, data in mine.items() if name in theirs)
    centiles = quantiles(went_on_s, n=20, method="inclusive")
    figure(
        21,
        f"a machine of a cluster killed at {kills} random moments of {total:,} translations",
        pixd=f"{lost} lost, {dict(states).get('succeeded', 0) - keys} twice, {other} of other bytes,"
        f" {lost_hosts} hosts lost; {MORE} more outputs after {centiles[9]:.1f} s (p50),"
        f" {centiles[18]:.1f} s (p95)",
        bar="0 lost, 0 twice, the same bytes",
        met=(lost, other) == (0, 0) and states == [("succeeded", total)] and keys == total,
    )
