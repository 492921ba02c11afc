"""Is this file completely written? Pure: the caller passes the time and the stamps.

The rule: a file is settled when its stamp (size, mtime, ctime, inode) has been the same for
`settle_seconds`. A file that was closed after writing may be handed out after 0.1 s of stillness,
and one that was renamed into place at once. It is then called *early*: the caller checks whether
it is whole, and calls `Settling.postpone` if it is not. A file that grows is never given up.

Leaves to the caller: a file that is written to without any event looks still, so the caller
compares the stamp of each `Ready` with the file that it opens.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

EARLY_S = 0.1
"""How long a closed file must be still. Tools that reopen a file at once do so sooner."""


MOST_OUTDATED = 1000
"""How many heap items may be outdated, beside a quarter of the files that are tracked."""


class Ready(NamedTuple):
    """A file that settled.

    Attributes:
        name: name text.
        stamp: the stamp that stayed the same; the opened file must still have it.
        early: it did not wait for the full time, so the caller checks whether it is whole.
        may_be_open: it is taken even if a program has it open for writing.
    """

    name: str
    stamp: Hashable
    early: bool
    may_be_open: bool = False


@dataclass(slots=True)
class _Tracked:
    stamp: Hashable
    changed_at: float  # when the stamp was first seen, or the last close after it
    due_at: float
    is_early: bool = False
    queued_at: float = 0.0  # only the heap item with this time counts


class Settling:
    """The files that are not settled yet.

    Each name has one valid heap item. An outdated item is skipped when it reaches the top. So
    the cost of a tick depends on how many files are due, not on how many are tracked.

    After a burst all its files are here. So those that are seen together share their times, and
    outdated items that have become many are removed.
    """

    def __init__(self, settle_seconds: float) -> None:
        """Track nothing yet.

        Args:
            settle_seconds: how long a stamp must stay the same.
        """
        self._settle_s = settle_seconds
        self._early_s = min(EARLY_S, settle_seconds)
        self._tracked: dict[str, _Tracked] = {}
        self._handed_out: dict[str, _Tracked] = {}
        self._heap: list[tuple[float, str]] = []
        self._times = (0.0, settle_seconds)  # of a sight of files, and when those are due

    def __len__(self) -> int:
        """Return how many files are tracked."""
        return len(self._tracked)

    def __contains__(self, name: str) -> bool:
        """Tell whether a file is tracked."""
        return name in self._tracked

    def observe(self, name: str, stamp: Hashable, now: float) -> None:
        """Say what the file looks like now. Seeing the same stamp again changes nothing.

        Args:
            name: name text.
            stamp: anything that differs when the file does.
            now: monotonic seconds.
        """
        tracked = self._tracked.get(name)
        if tracked is None:
            if self._times[0] != now:
                self._times = (now, now + self._settle_s)
            self._track(name, _Tracked(stamp, *self._times))
        elif tracked.stamp != stamp:
            tracked.stamp = stamp
            tracked.changed_at = now
            tracked.is_early = False
            # The heap item stays, and is corrected when it reaches the top. A file that is
            # being written changes often, and a push for each change would grow the heap.
            tracked.due_at = now + self._settle_s

    def closed(self, name: str, now: float, *, is_renamed: bool = False) -> None:
        """Say that a writer closed the file or that it was renamed into place.

        Careful programs rename a file into place when it is complete, so nothing is waited for.
        """
        tracked = self._tracked.get(name)
        if tracked is None:
            return
        tracked.changed_at = now
        tracked.is_early = True
        tracked.due_at = now if is_renamed else now + self._early_s
        self._track(name, tracked)

    def postpone(self, name: str, now: float) -> None:
        """Make a file that was handed out early wait for the full time after all."""
        tracked = self._tracked.get(name) or self._handed_out.pop(name, None)
        if tracked is None:
            return
        tracked.is_early = False
        tracked.due_at = max(now, tracked.changed_at + self._settle_s)
        self._track(name, tracked)

    def ready_again(self, ready: Ready) -> None:
        """Take back a file that the last `settled` returned and nobody read; it stays due."""
        tracked = self._handed_out.pop(ready.name, None)
        if tracked is not None and ready.name not in self._tracked:
            self._track(ready.name, tracked)

    def forget(self, name: str) -> None:
        """Stop tracking a file: it is gone, or is something else now."""
        self._tracked.pop(name, None)
        self._handed_out.pop(name, None)

    def settled(self, now: float, limit: int | None = None) -> list[Ready]:
        """Return what has settled, longest due first, and stop tracking it.

        Args:
            now: monotonic seconds.
            limit: hand out at most this many; the rest stays due.
        """
        self._handed_out = {}
        ready: list[Ready] = []
        while self._heap and (limit is None or len(ready) < limit):
            if not self._fresh_top() or self._heap[0][0] > now:
                break
            name = heapq.heappop(self._heap)[1]
            tracked = self._tracked.pop(name)
            early = tracked.is_early and now < tracked.changed_at + self._settle_s
            self._handed_out[name] = tracked
            ready.append(Ready(name, tracked.stamp, early))
        return ready

    def next_at(self) -> float | None:
        """Return when the next file is due (monotonic seconds), or None if none is tracked."""
        return self._heap[0][0] if self._fresh_top() else None

    def _track(self, name: str, tracked: _Tracked) -> None:
        tracked.queued_at = tracked.due_at
        self._tracked[name] = tracked
        heapq.heappush(self._heap, (tracked.due_at, name))
        if len(self._heap) > MOST_OUTDATED + len(self._tracked) * 5 // 4:
            self._heap = [(one.queued_at, name) for name, one in self._tracked.items()]
            heapq.heapify(self._heap)

    def _fresh_top(self) -> bool:
        """Bring the top of the heap up to date; False when the heap is empty."""
        while self._heap:
            queued_at, name = self._heap[0]
            tracked = self._tracked.get(name)
            if tracked is None or tracked.queued_at != queued_at:
                heapq.heappop(self._heap)
            elif tracked.due_at > queued_at:
                tracked.queued_at = tracked.due_at
                heapq.heapreplace(self._heap, (tracked.due_at, name))
            else:
                return True
        return False
