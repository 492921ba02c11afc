"""The one place where the loop waits: for its children, its folders, the time, and for clients.

A listener says what to wait for and serves what is ready. So a second listener is added by naming
it in the call. No client of a listener causes a step of the loop: neither one that sends rubbish,
nor one that asks and never reads the answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

BREATH_S = 0.01
"""The time between two looks at the clients. So a client that asks without end takes only
hundredths of a core."""


class Wake:
    """Shortens a wait, from any thread and from a signal handler.

    A thread may call `wake` late. So there is one for the life of the service, and its descriptors
    are never another file's while somebody may write to them.
    """

    def __init__(self) -> None:
        """Open the pipe."""
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that can be read once somebody has called `wake`."""
        return self._read

    def wake(self) -> None:
        """Shorten the present wait, or the next one."""
        # A full pipe means that a wake-up is on its way already. A closed one: nobody waits.
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")

    def drain(self) -> None:
        """Forget the calls up to now."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        """Close the pipe; `wake` does nothing after this."""
        read, write, self._read, self._write = self._read, self._write, -1, -1
        os.close(read)
        os.close(write)


class Listener(Protocol):
    """The listening end of something that clients connect to. Nothing of it ever blocks."""

    def interests(self) -> Iterable[tuple[int, int]]:
        """Yield each descriptor with the poll(2) events that give `step` work."""

    def next_at(self) -> float:
        """Return the monotonic time at which `step` has work without any of them."""

    def step(self, now: float) -> bool:
        """Serve what is ready; tell whether the store may have changed."""


def wait(until: float, others: Collection[int], listeners: Collection[Listener]) -> None:
    """Serve clients until the time comes, the store may have changed, or there is other work.

    Args:
        until: monotonic seconds.
        others: descriptors that mean other work when they can be read.
        listeners: whose clients are served meanwhile.
    """
    now = listens_at = time.monotonic()
    is_waiting = True
    while is_waiting:
        poll = select.poll()
        for descriptor in others:
            poll.register(descriptor, select.POLLIN)
        serving = listeners if now >= listens_at else ()
        for listener in serving:
            for descriptor, events in listener.interests():
                poll.register(descriptor, events)
        times = [listener.next_at() for listener in serving] if serving else [listens_at]
        wakes_at = min(until, *times)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, wakes_at - now) * 1000)}
        now = time.monotonic()
        if serving:
            listens_at = now + BREATH_S
            # Each has its turn, whatever the others do.
            has_changed = [listener.step(now) for listener in serving]
            is_waiting = not any(has_changed)
        is_waiting = is_waiting and now < until and not ready.intersection(others)
