"""Fault 21, of a training: its machine is killed, hangs or is cut off at random moments, or its head dies.

The real trainer and Ray; each machine is a host of a small network.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_cluster import _one_core, nodes, weights_of
from tests.faults.clustered import (
    AWAY_S,
    CUT_S,
    HANGS_S,
    WITHIN_S,
    Lives,
    centiles,
    settle,
    until,
)
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


def count_given_up(tiny: Tiny) -> int:
    """Return how often a training was given up because the cluster was away."""
    rows = tiny.rows("SELECT count(*) FROM run WHERE kind = 'train' AND state = 'cancelled'")
    return int(rows[0][0])


def is_given_up_and_again(tiny: Tiny, lives: Lives, before: int) -> bool:
    """Tell whether a training goes on after the death of a head; start again what ends meanwhile."""
    lives.mend()
    return count_given_up(tiny) > before and bool(engine(tiny).get("training"))


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One way in which a training loses its machine.

    Attributes:
        row: of the table of faults.
        text: what happens, for the table.
        most: how often, at full size.
        steps: of the training for each time: more than are made between two.
        begin: does it to the machine that trains.
        end: brings the machine, or the head, back.
        seconds: how long it is away, from the two ends of a range; no less than until it is given up.
        is_of_head: whether the head dies, and not the machine.
    """

    row: float
    text: str
    most: int
    steps: int
    begin: Callable[[RayNodes, str], object]
    end: Callable[[RayNodes, Lives, str], object]
    seconds: tuple[float, float] = (0.0, 0.0)
    is_of_head: bool = False


def start_again(nodes: RayNodes, lives: Lives, machine: str) -> None:
    lives.again(machine)
    nodes.until_up(machine)


STRIKES = {
    "killed": Strike(
        row=21.2, text="killed", most=20, steps=1000, begin=RayNodes.kill, end=start_again
    ),
    "cut": Strike(
        row=21.6, text=f"cut off for {CUT_S:.0f} s and back", most=5, steps=4000,
        begin=lambda nodes, machine: nodes.network.cut(machine, is_cut=True),
        end=lambda nodes, _, machine: nodes.network.cut(machine, is_cut=False),
        seconds=(CUT_S, CUT_S),
    ),
    "hangs": Strike(
        row=21.7, text=f"stopped (SIGSTOP) for 8 to {HANGS_S:.0f} s and back", most=5, steps=4000,
        begin=RayNodes.stop, end=lambda nodes, _, machine: nodes.go_on(machine),
        seconds=(0.0, HANGS_S),
    ),
    "head": Strike(
        row=21.8, text=f"and its head killed, and started again 0 to {AWAY_S:.0f} s later", most=5,
        steps=2000,
        begin=lambda nodes, _: nodes.kill("head"), end=lambda nodes, *_: nodes.head(),
        seconds=(0.0, AWAY_S), is_of_head=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How a training went on.

    Attributes:
        home: step of the newest checkpoint that was home when it lost its machine.
        first_again: the first step that was told of afterwards.
        took_s: seconds until then; of a head, since it was started again.
    """

    home: int
    first_again: int
    took_s: float


def struck(
    tiny: Tiny, nodes: RayNodes, lives: Lives, strike: Strike, chance: random.Random
) -> Recovery:
    """Wait for a random moment of a training, strike, and wait until all is well again."""
    until_engine(tiny, lambda told: told.get("training"))
    moment = time.monotonic() + chance.uniform(0, WITHIN_S_OF_WORK)
    until(lambda: time.monotonic() >= moment)
    told = until_engine(tiny, lambda told: told["training"])
    machine, lost, given_up = lives.machine(told["training"]), told["lost"], count_given_up(tiny)
    strike.begin(nodes, machine)
    began = time.monotonic()
    back_at = began + chance.uniform(*strike.seconds)
    home = home_step(tiny)  # nothing comes home any more
    if strike.is_of_head:
        until(lambda: time.monotonic() >= back_at)
        strike.end(nodes, lives, machine)
        began = time.monotonic()
        until(lambda: is_given_up_and_again(tiny, lives, given_up))
    else:
        until_engine(tiny, lambda told: told["lost"] > lost)
    before = told_step(tiny)
    until(lambda: told_step(tiny) != before)
    found = Recovery(home=home, first_again=told_step(tiny), took_s=time.monotonic() - began)
    if not strike.is_of_head:
        until(lambda: time.monotonic() >= back_at)
        strike.end(nodes, lives, machine)
    settle(lives)
    return found


@pytest.mark.parametrize("strike", STRIKES.values(), ids=STRIKES)
def test_a_training_that_loses_its_machine_ends_as_an_undisturbed_one(
    tmp_path: Path, nodes: RayNodes, figure: Figure, strike: Strike, *, is_full_size: bool
) -> None:
    times = strike.most if is_full_size else min(strike.most, 2 if strike.row == 21.2 else 1)
    chance = random.Random(SEED)
    here, there = Tiny(tmp_path / "here"), Tiny(tmp_path / "there")
    for tiny in (here, there):
        tiny.configure(steps=strike.steps * times)
        tiny.pairs(range(12))
    on_cluster(there, nodes)
    lives = Lives(nodes, "n1", "n2")
    # Both at the same time: the one waits mostly, the other's trainer has the lowest claim to a core.
    there.start(CONSTANTS)
    here.start(CONSTANTS)
    try:
        found = [struck(there, nodes, lives, strike, chance) for _ in range(times)]
        there.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
        told = engine(there)
        trainings = there.rows("SELECT state FROM run WHERE kind = 'train'")
        here.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
    finally:
        there.stop()
        here.stop()
    states = {state for (state,) in trainings} - ({"cancelled"} if strike.is_of_head else set())
    is_same = weights_of(there) == weights_of(here)
    beyond = sum(one.first_again <= one.home for one in found)
    if not strike.is_of_head:  # then it is another bridge that goes on, and says nothing of a loss
        said = went_on_from(there)
        beyond += sum(from_ < one.home for from_, one in zip(said, found, strict=True))
    figure(
        strike.row,
        f"the machine of a training {strike.text}, at {times} random moments of"
        f" {strike.steps * times:,} steps",
        pixd=f"{'the' if is_same else 'NOT the'} weights of an undisturbed run,"
        f" {told['steps_again']:,} steps again, {beyond} times from before the last checkpoint that"
        f" came home; the next step after {centiles([one.took_s for one in found])}",
        bar="the weights of an undisturbed run, no step again of before the last checkpoint",
        met=is_same and not beyond and states == {"succeeded"},
    )
