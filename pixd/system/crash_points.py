"""Points at which a test may end the process, to show that a crash there loses nothing.

Promises: without `PIXD_CRASH_AT` in the environment a point does nothing. With it, the process ends
by SIGKILL, as in a power cut: no handler runs and nothing is flushed. A name that is not listed
is an error. So a typing mistake cannot make a test pass.

Leaves to others: where the points are (the modules that write), and what must be true after the
crash (tests/faults).
"""

from __future__ import annotations

import os
import signal

CRASH_VARIABLE = "PIXD_CRASH_AT"
CRASH_POINTS = (
    "settled",
    "hashed",
    "object-written",
    "before-commit",
    "after-commit",
    "decode",
    "infer",
    "temp-written",
    "before-fsync",
    "after-fsync",
    "before-rename",
    "after-rename",
    "before-run-row",
    "result-received",
    "before-publish",
    "after-publish",
    "checkpoint",
    "early-export",
    "export",
    "early-kept",
    "model-kept",
    "layout",
    "before-promotion",
    "after-promotion",
    "withdrawn",
    "trashed",
    "migration",
)
_KNOWN_POINTS = frozenset(CRASH_POINTS)


class _Crash:
    """Where this process should end, read once from the environment."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.hits_left = 0
        self.is_read = False

    def read(self) -> None:
        self.is_read = True
        wanted = os.environ.get(CRASH_VARIABLE, "")
        if not wanted:
            return
        name, _, count = wanted.partition(":")
        if name not in CRASH_POINTS:
            raise ValueError(f"{CRASH_VARIABLE}: no crash point is named {name!r}")
        if count and not (count.isdecimal() and int(count) > 0):
            raise ValueError(f"{CRASH_VARIABLE}: {count!r} is not a count of hits")
        self.name = name
        self.hits_left = int(count or 1)


_crash = _Crash()


def crash_point(name: str) -> None:
    """End this process by SIGKILL if a test asked for it here.

    With ``PIXD_CRASH_AT=name:count`` in the environment, a process ends at its count-th hit of
    that name. A name without a count means the first hit.

    Args:
        name: one of `CRASH_POINTS`.

    Raises:
        ValueError: the name, or the one in the environment, is not in `CRASH_POINTS`.
    """
    if name not in _KNOWN_POINTS:
        raise ValueError(f"no crash point is named {name!r}; add it to CRASH_POINTS")
    if not _crash.is_read:
        _crash.read()
    if name == _crash.name:
        _crash.hits_left -= 1
        if _crash.hits_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
