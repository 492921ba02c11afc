"""Which withdrawn outputs still have a file that is to be removed.

`pixd.store.removals` writes what is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class Removal(NamedTuple):
    """A withdrawn output whose file may still be there.

    Attributes:
        path: name text, relative to the output folder.
        output_id: row of the output.
        digest: what the file holds, unless somebody changed it.
        input_digest: of what it was made from.
        model_digest: of what made it.
        why: the file could not be removed; "" before the first try.
    """

    path: str
    output_id: int
    digest: str
    input_digest: str
    model_digest: str
    why: str


def of_pipeline(reader: sqlite3.Connection, pipeline: str) -> list[Removal]:
    """Return what is still to be removed of a pipeline, by name."""
    rows = reader.execute(
        "SELECT removal.path, output_id, digest, input_digest, model_digest, why FROM removal"
        " JOIN output ON output.id = output_id WHERE removal.pipeline = ? ORDER BY removal.path",
        (pipeline,),
    )
    return [Removal(*row) for row in rows]


def refused(reader: sqlite3.Connection, pipeline: str) -> tuple[int, str, str] | None:
    """Return how many files could not be removed yet, and name and reason of one; None if none."""
    count, name, why = reader.execute(
        # SQLite takes `why` from the row that has the least path.
        "SELECT count(*), min(path), why FROM removal WHERE pipeline = ? AND why <> ''",
        (pipeline,),
    ).fetchone()
    return (count, name, why) if count else None
