"""The results of queries on the table `file`, which `pixd.store.files` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pixd.store.states import FileState


class RecordedFile(NamedTuple):
    """A file with content, and its state."""

    name: str
    digest: str
    state: FileState
    reason: str


class FoundFile(NamedTuple):
    """The state of one file; `digest` is None before the file was read."""

    state: FileState
    digest: str | None
    attempts: int


class DueInput(NamedTuple):
    """An input image that waits for its translation."""

    name: str
    digest: str
    attempts: int
    change_id: str
    ctime_ns: int = 0  # when it was written or renamed into place, by the clock of its disk
