"""How long to wait before trying again what failed: each wait is twice the one before.

After a short fault, work soon goes on. A lasting fault costs almost nothing.
"""

from __future__ import annotations

import random

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
JITTER = 0.2
_MOST_DOUBLINGS = 50  # longer than anybody waits; 1024, after some weeks, would overflow a float


def wait_s(
    failures: int, first_s: float = FIRST_RETRY_S, longest_s: float = LONGEST_RETRY_S
) -> float:
    """Return the seconds to wait after so many failures in a row, the last one included."""
    return min(first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_s)


def spread_wait_s(failures: int) -> float:
    """Return `wait_s` changed by up to the share `JITTER`, so that not all retry at one moment."""
    return wait_s(failures) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
