"""The files of withdrawn outputs that are still to be removed.

A row is written with the transaction that withdraws the output, and goes when the file is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries import removals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlite_utils import Database

    from pixd.store.outputs import Output
    from pixd.store.queries.removals import Removal


class Removals:
    """The table `removal`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def add(self, output: Output) -> None:
        """Have the file of an output removed. Join the transaction that withdraws it."""
        self._db.conn.execute(
            "INSERT OR REPLACE INTO removal (pipeline, path, output_id) VALUES (?, ?, ?)",
            (output.pipeline, output.path, output.id),
        )

    def of(self, pipeline: str) -> list[Removal]:
        """Return what is still to be removed of a pipeline, by name."""
        return removals.of_pipeline(self._db.conn, pipeline)

    def has(self, pipeline: str) -> bool:
        """Tell whether something of a pipeline is still to be removed."""
        row = self._db.conn.execute(
            "SELECT 1 FROM removal WHERE pipeline = ? LIMIT 1", (pipeline,)
        ).fetchone()
        return row is not None

    def refuse(self, pipeline: str, refused: Iterable[tuple[str, str]]) -> None:
        """Record of each path why its file could not be removed."""
        self._db.conn.executemany(
            "UPDATE removal SET why = ?3 WHERE pipeline = ?1 AND path = ?2",
            [(pipeline, path, why) for path, why in refused],
        )

    def end(self, pipeline: str, path: str) -> None:
        """Record that nothing of that name is to be removed any more."""
        self._db.conn.execute(
            "DELETE FROM removal WHERE pipeline = ? AND path = ?", (pipeline, path)
        )
