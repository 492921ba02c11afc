"""Fault 21, of a training: the machine that trains is killed at random moments, again and again.

The real trainer and Ray; each machine is a host of a small network.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from tests.e2e.test_cluster import _one_core, nodes, weights_of
from tests.faults.clustered import WITHIN_S, Lives, centiles, until
from tests.faults.conftest import Figure
from tests.support import ray_nodes
from tests.support.ray_nodes import RayNodes, engine, on_cluster, until_engine
from tests.support.tiny import Tiny

__all__ = ["_one_core", "nodes"]  # fixtures
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(5400),
    pytest.mark.skipif(bool(why := ray_nodes.why_not()), reason=why),
]
SEED = 21
A_KILL_STEPS = 1000  # more than are made between two kills
WITHIN_S_OF_WORK = 15.0
CONSTANTS = {"pixd.training.run.CHECKPOINT_EVERY_STEPS": 20}
GOES_ON = re.compile(r"n\S+ was lost .* from (?:step ([\d,]+)|the beginning) elsewhere")


def home_step(tiny: Tiny) -> int:
    """Return the step of the newest checkpoint that came home; 0 where there is none."""
    found = (tiny.folder / "store" / "checkpoints").glob("*/step-*")
    return max((int(path.name.removeprefix("step-")) for path in found), default=0)


def told_step(tiny: Tiny) -> int:
    return int(tiny.live()["train"]["step"])


def went_on_from(tiny: Tiny) -> list[int]:
    """Return the steps that the bridge said it went on from, one for each loss."""
    told = tiny.rows("SELECT message FROM event WHERE kind = 'train' ORDER BY id")
    found = [GOES_ON.search(message) for (message,) in told]
    return [int((one[1] or "0").replace(",", "")) for one in found if one]


def test_a_training_whose_machine_is_killed_at_random_moments_ends_as_an_undisturbed_one(
    tmp_path: Path, nodes: RayNodes, figure: Figure, *, is_full_size: bool
) -> None:
    kills = 20 if is_full_size else 2
    chance = random.Random(SEED)
    here, there = Tiny(tmp_path / "here"), Tiny(tmp_path / "there")
    for tiny in (here, there):
        tiny.configure(steps=A_KILL_STEPS * kills)
        tiny.pairs(range(12))
    on_cluster(there, nodes)
    lives = Lives(nodes, "n1", "n2")
    home, first_again, went_on_s = [], [], []
    # Both at the same time: the one waits mostly, the other's trainer has the lowest claim to a core.
    there.start(CONSTANTS)
    here.start(CONSTANTS)
    try:
        for _ in range(kills):
            until_engine(there, lambda told: told.get("training"))
            moment = time.monotonic() + chance.uniform(0, WITHIN_S_OF_WORK)
            until(lambda at=moment: time.monotonic() >= at)  # type: ignore[misc]
            told = until_engine(there, lambda told: told["training"])
            life, lost = told["training"], told["lost"]
            nodes.kill(lives.machine(life))
            began = time.monotonic()
            home.append(home_step(there))  # nothing comes home any more
            until_engine(there, lambda told, at=lost: told["lost"] > at)  # type: ignore[misc]
            before = told_step(there)
            until(lambda at=before: told_step(there) != at)  # type: ignore[misc]
            went_on_s.append(time.monotonic() - began)
            first_again.append(told_step(there))
            lives.again(lives.machine(life))
            nodes.until_up(lives.machine(life))
        there.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
        told = engine(there)
        trainings = there.rows("SELECT state, attempt FROM run WHERE kind = 'train'")
        here.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
    finally:
        there.stop()
        here.stop()
    is_same = weights_of(there) == weights_of(here)
    said = went_on_from(there)
    # What is told first after a loss is at least one step beyond where it went on from.
    beyond = sum(
        from_ < at_home or first <= at_home
        for at_home, from_, first in zip(home, said, first_again, strict=True)
    )
    figure(
        21.2,
        f"the machine of a training killed at {kills} random moments of"
        f" {A_KILL_STEPS * kills:,} steps",
        pixd=f"{'the' if is_same else 'NOT the'} weights of an undisturbed run,"
        f" {told['steps_again']:,} steps again, {beyond} times from before the last checkpoint that"
        f" came home; the next step after {centiles(went_on_s)}",
        bar="the weights of an undisturbed run, no step again of before the last checkpoint",
        met=is_same and not beyond and told["lost"] >= kills and trainings == [("succeeded", 1)],
    )
