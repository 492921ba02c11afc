"""The time of day as the store and the protocols write it: RFC 3339, UTC, milliseconds.

Promises: sorted as text, instants are in the order of time, as long as the clock does not go back.

Leaves to others: waiting and measuring, which use `time.monotonic` because the time of day may
jump; and whether the clock is right (`pixd doctor`).
"""

from __future__ import annotations

import time


def utc_now() -> str:
    """Return the present instant as RFC 3339 UTC with milliseconds."""
    now = time.time()
    return rfc3339(now)


def rfc3339(at_s: float) -> str:
    """Write seconds since the epoch as RFC 3339 UTC with milliseconds."""
    whole = int(at_s)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        + f".{int((at_s - whole) * 1000):03d}Z"
    )


def seconds_of(at: object) -> float | None:
    """Turn RFC 3339 UTC into seconds since the epoch."""
    # PyYAML has imported datetime already. time.strptime would cost two milliseconds more.
    import datetime as dt  # noqa: PLC0415 - only if there is a heartbeat

    return dt.datetime.fromisoformat(at).timestamp() if isinstance(at, str) else None
