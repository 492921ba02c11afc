"""Counts of what became of inputs since the service started, and how long they waited."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = ("published", "rejected", "postponed", "failed")
"""What became of an input: its output exists, or it was refused, postponed or given up."""
BUCKETS_S = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Tally:
    """What a pipeline has done since the service started."""

    def __init__(self) -> None:
        """Begin at nothing, now."""
        self.since = time.time()
        self.results: Counter[str] = Counter()
        self.waits = Histogram()

    def published(self, now: float, dropped_at: float | None) -> None:
        """Count an output that was published.

        Args:
            now: seconds since the epoch.
            dropped_at: when its input was written or renamed into place, seconds since the epoch;
                None where the same content under the same name has had an output before. For an
                input that is older than the service, the wait is counted from the service's start.
        """
        self.results["published"] += 1
        if dropped_at is not None:
            self.waits.observe(max(0.0, now - max(dropped_at, self.since)))


class Histogram:
    """How many observations fell into each bucket of `BUCKETS_S`, and their sum."""

    def __init__(self) -> None:
        """Begin without any."""
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, value_s: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(BUCKETS_S, value_s)] += 1
        self.sum_s += value_s

    def cumulated(self) -> Iterator[tuple[float, int]]:
        """Yield each bound in seconds, the last infinite, with how many were at most that."""
        return zip((*BUCKETS_S, float("inf")), accumulate(self._counts), strict=True)
