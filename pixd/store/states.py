"""The states that rows of the store can be in.

The CHECKs of the schema refuse any other value when it is written. `of` refuses it when it is
read, because a damaged database can hold one. `tests/unit/store/test_states.py` checks that the schema
and these enums agree.
"""

from __future__ import annotations

import enum
from typing import Self

from pixd.system.errors import StoreError


class _State(enum.StrEnum):
    """A column's values. Members are strings, so that SQL and JSON take them as they are."""

    @classmethod
    def of(cls, text: object) -> Self:
        """Return the member that a row holds.

        Raises:
            StoreError: there is no such member.
        """
        member = cls._value2member_map_.get(text)
        if member is None:
            raise StoreError(
                f"the database holds the {cls.__name__.removesuffix('State').lower()} state"
                f" {text!r}, which this pixd does not know (it knows {', '.join(cls)})",
                advice="`pixd verify` names what is damaged; a newer pixd may know it",
            )
        return member  # type: ignore[return-value]  # a member of cls


class FileState(_State):
    """The state of a file in a watched folder."""

    SETTLING = "settling"  # new or changing, or it cannot be read now
    RECORDED = "recorded"  # committed; of a training folder
    QUEUED = "queued"  # committed; an input that waits for its translation
    TRANSLATED = "translated"
    REJECTED = "rejected"  # it cannot be used
    FAILED = "failed"  # an input whose translation failed for good


class RunState(_State):
    """How far a run is, or how it ended."""

    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # another run took its place
    LOST = "lost"  # the service stopped before it heard how the run ended


class OutputState(_State):
    """What became of an output."""

    PUBLISHING = "publishing"  # intended; the file may be there or not
    CURRENT = "current"
    SUPERSEDED = "superseded"  # another took its name
    ORPHANED = "orphaned"  # its input is gone
    EDITED = "edited"  # a person changed the file
    MISSING = "missing"  # a person removed the file
    WITHDRAWN = "withdrawn"  # what made it was recalled


class BytesState(_State):
    """Where the bytes of an object are."""

    PRESENT = "present"
    TRASHED = "trashed"
    REMOVED = "removed"


ACTIVE_RUNS = (RunState.QUEUED, RunState.RUNNING, RunState.PUBLISHING)
"""The states of runs that are not finished."""

STANDING_OUTPUTS = (
    OutputState.CURRENT,
    OutputState.EDITED,
    OutputState.MISSING,
    OutputState.ORPHANED,
)
"""The states of an output that nothing has replaced."""

SETTLED_FILES = tuple(state for state in FileState if state is not FileState.SETTLING)
"""The states of files that did not begin to change."""

UNFINISHED_FILES = (FileState.QUEUED, FileState.SETTLING)
"""The states of files that pixd still has to work on."""

TRANSLATABLE = (FileState.QUEUED, FileState.TRANSLATED, FileState.FAILED)
"""The states of inputs that have, or wait for, a translation."""


def listed(states: tuple[_State, ...]) -> str:
    """Return states as a list in SQL, for a query whose index was made with the same list."""
    return ", ".join(f"'{state}'" for state in states)
