"""A soak: thousands of images come and go, and the service costs at the end what it did before."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.conftest import Figure
from tests.support.proc import Proc
from tests.support.tiny import Tiny, small_png

MOST_GROWTH_MB = 8.0
WAVE = 100
STANDING = 2  # waves that stay in the folder


def made(stub: Tiny) -> int:
    """Return how many outputs stand: those of inputs that went stay, as orphaned."""
    outputs = stub.part()["output"]
    return int(outputs["orphaned"] + outputs["current"])


class Cost(NamedTuple):
    """What the service costs at rest."""

    memory_mb: float
    descriptors: int
    threads: int
    watches: int


def cost_of(proc: Proc) -> Cost:
    return Cost(proc.memory_mb(), proc.descriptors(), proc.threads(), proc.watches())


def wave(stub: Tiny, number: int, size: int, there: int) -> Path:
    """Drop images into a folder of their own and wait until they and those there are translated."""
    folder = stub.folder / "input" / f"wave-{number:03d}"
    folder.mkdir()
    for n in range(size):
        (folder / f"{n:03d}.png").write_bytes(small_png(number * WAVE + n))
    wanted = size + there
    stub.until(lambda part: part["input"]["translated"] == wanted == part["input"]["files"])
    return folder


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_thousands_of_drops_leave_no_descriptor_thread_watch_or_memory_behind(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    waves, size = (100, WAVE) if is_full_size else (5, 30)
    warm = max(waves // 3, STANDING + 1)
    stub.start()
    assert stub.service is not None
    proc = Proc(stub.service.pid)
    costs: list[Cost] = []
    standing: deque[Path] = deque()
    for number in range(waves):
        standing.append(wave(stub, number, size, size * len(standing)))
        if len(standing) > STANDING:  # a third goes: of more at once the folder would go on hold
            shutil.rmtree(standing.popleft())
            stub.until(lambda part: part["input"]["files"] == size * len(standing))
        costs.append(cost_of(proc))
    before, after = costs[warm], costs[-1]
    grew_mb = max(cost.memory_mb for cost in costs[warm:]) - before.memory_mb
    figure(
        19,
        f"{waves * size:,} images come and go",
        pixd=f"{made(stub):,} translated; descriptors {before.descriptors} ->"
        f" {after.descriptors}, threads {before.threads} -> {after.threads}, watches"
        f" {before.watches} -> {after.watches}, memory {grew_mb:+.1f} MB after the first third",
        bar=f"all translated; nothing more is held; under {MOST_GROWTH_MB:.0f} MB",
        met=before[1:] == after[1:] and grew_mb < MOST_GROWTH_MB and made(stub) == waves * size,
    )
