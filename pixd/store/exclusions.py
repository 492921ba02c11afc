"""Contents that a person recalled from a pipeline: they are not used again.

The row names the content and not the file. So the file may stay in the folder, or get another name,
and it is still left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from sqlite_utils import Database

EXCLUDED = "recalled: `pixd recall --undo` lets it in again"
"""The reason in the row of a file whose content is excluded."""


class Exclusions:
    """The table `exclusion`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def add(self, pipeline: str, digest: str, name: str, why: str, change_id: str) -> None:
        """Take a content out of a pipeline. Join the caller's transaction."""
        self._db.conn.execute(
            "INSERT INTO exclusion VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (pipeline, digest, name, why, change_id, utc_now()),
        )

    def lift_all_with(self, pipeline: str, digest: str) -> bool:
        """Allow a content again, and what was excluded with it; return whether it was excluded."""
        cursor = self._db.conn.execute(
            "DELETE FROM exclusion WHERE pipeline = ?1 AND change_id ="
            " (SELECT change_id FROM exclusion WHERE pipeline = ?1 AND digest = ?2)",
            (pipeline, digest),
        )
        return cursor.rowcount > 0

    def of(self, pipeline: str) -> dict[str, str]:
        """Return the excluded contents of a pipeline, each with its reason."""
        rows = self._db.conn.execute(
            "SELECT digest, why FROM exclusion WHERE pipeline = ?", (pipeline,)
        )
        return dict(rows.fetchall())
