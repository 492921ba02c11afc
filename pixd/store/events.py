"""What pixd notes as it happens: one row of the table of events."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One thing that happened, as `status`, `log` and the service's log tell it."""

    time: str  # RFC 3339 UTC
    level: str  # info, warning or error
    pipeline: str  # "" for what concerns all of them
    kind: str
    change: str  # "" where no change brought it about
    message: str
