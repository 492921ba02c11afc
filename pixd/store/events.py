"""One event: a row of the table `event`."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["info", "warning", "error"]
"""How much an event matters."""


class Event(NamedTuple):
    """One thing that happened, as `status`, `log` and the service's log show it."""

    time: str  # RFC 3339 UTC
    level: Level
    pipeline: str  # "" for what concerns all of them
    kind: str
    change: str  # "" where no change caused it
    message: str
