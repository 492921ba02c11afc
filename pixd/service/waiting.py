"""The one place where the loop waits: for its children, its folders, the time, and for clients.

A listener says what to wait for and serves what is ready. So a second listener is added by naming
it in the call. No client of a listener causes a step of the loop: neither one that sends rubbish,
nor one that asks and never reads the answer.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

BREATH_S = 0.01
"""The time between two looks at the clients. So a client that asks without end takes only
hundredths of a core."""


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
