"""How long to wait before what failed is tried again: each wait is twice the one before.

A short fault is over soon after it ends; a lasting one costs almost nothing.
"""

from __future__ import annotations

import random

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
JITTER = 0.2
_MOST_DOUBLINGS = 50  # longer than anybody waits; at 1024, some weeks on, a float would overflow


def wait_s(
    failures: int, first_s: float = FIRST_RETRY_S, longest_s: float = LONGEST_RETRY_S
) -> float:
    """Return the seconds to wait after so many failures in a row, the last one included."""
    return min(first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_s)


def spread_wait_s(failures: int) -> float:
    """Return the same, up to `JITTER` of it more or less: what failed together comes back apart."""
    return wait_s(failures) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
