"""What is to be published: an image that was made, and an output that is about to be put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pixd.store.file_rows import DueInput


class Made(NamedTuple):
    """An image that a run made, the inputs that it is the translation of, and which sample it is."""

    run_id: int
    digest: str
    inputs: tuple[DueInput, ...]
    number: int = 1


class Intent(NamedTuple):
    """One output about to be put in place: its row, its path, its bytes, its input."""

    row: int
    path: str
    digest: str
    input: DueInput
    is_first: bool  # of this content under its input's name
