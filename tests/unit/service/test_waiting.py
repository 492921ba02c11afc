"""The loop waits in one place, for any number of listeners."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from pixd.service import waiting

LONG_S = 120.0  # never waited for; half of it no busy machine takes


class Door:
    """A listener that reads what comes in through a pipe."""

    def __init__(self, *, changes: bool = False, next_at: float = float("inf")) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK)
        self.steps: list[float] = []
        self.heard = b""
        self._changes = changes
        self._next_at = next_at

    def interests(self) -> Iterator[tuple[int, int]]:
        yield self.reader, select.POLLIN

    def next_at(self) -> float:
        return self._next_at

    def step(self, now: float) -> bool:
        self.steps.append(now)
        try:
            said = os.read(self.reader, 100)
        except BlockingIOError:
            return False
        self.heard += said
        return self._changes


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    doors = [Door(), Door(changes=True)]
    yield doors
    for door in doors:
        os.close(door.reader)
        os.close(door.writer)


def test_what_one_listener_changed_ends_the_wait_after_all_had_their_turn(
    doors: list[Door],
) -> None:
    quiet, changing = doors
    os.write(quiet.writer, b"rubbish")
    os.write(changing.writer, b"promote")
    began = time.monotonic()
    waiting.wait(began + LONG_S, (), [changing, quiet])
    assert (quiet.heard, changing.heard) == (b"rubbish", b"promote")
    assert time.monotonic() - began < LONG_S / 2


def test_a_client_without_a_change_does_not_end_the_wait(doors: list[Door]) -> None:
    quiet, changing = doors
    os.write(quiet.writer, b"rubbish")
    began = time.monotonic()
    waiting.wait(began + 0.2, (), doors)
    assert time.monotonic() - began >= 0.2
    assert quiet.heard == b"rubbish"
    assert len(quiet.steps) == len(changing.steps) < 5


def test_a_listener_that_always_has_work_is_looked_at_a_hundred_times_a_second() -> None:
    door = Door(next_at=0.0)
    began = time.monotonic()
    waiting.wait(began + 1.0, (), [door])
    assert 2 <= len(door.steps) <= 1.0 / waiting.BREATH_S + 2
    os.close(door.reader)
    os.close(door.writer)


def test_other_work_ends_the_wait(doors: list[Door]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a child spoke")
    began = time.monotonic()
    waiting.wait(began + LONG_S, [reader], doors)
    assert time.monotonic() - began < LONG_S / 2
    waiting.wait(began + LONG_S, [reader], [])
    assert time.monotonic() - began < LONG_S / 2
    os.close(reader)
    os.close(writer)
