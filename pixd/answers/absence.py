"""What can be said of a store that is not in its place: whether there was one, and who waits for it.

Read from the note outside the store (`pixd.store.outside`), and light: `pixd status` asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store import outside, place

if TYPE_CHECKING:
    from pixd.config import Settings


class Absence(NamedTuple):
    """A store that is gone.

    Attributes:
        reason: what is gone, or "" if the store is there or there never was one.
        advice: what to do about it.
        pid: of the service that waits for it, or still has it open; None where none runs.
        at: when that service last said so, RFC 3339.
    """

    reason: str = ""
    advice: str = ""
    pid: int | None = None
    at: str = ""


def absence_of(settings: Settings) -> Absence:
    """Return what is known of a store that nobody holds in its place."""
    note, pid = outside.read(settings.path)
    if pid is not None and note.blocked:
        return Absence(note.blocked, note.advice, pid, note.at)
    absent = place.why_not_there(settings.store)
    if absent and note.identity and note.path != str(settings.store):
        moved = place.say_elsewhere(note.path, settings.store)
        return Absence(moved, place.ADVICE_ELSEWHERE, pid, note.at)
    if absent and note.identity:
        return Absence(absent, place.ADVICE_GONE, pid, note.at)
    return Absence()
