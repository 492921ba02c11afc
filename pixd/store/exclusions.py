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

    def add(
        self, pipeline: str, digest: str, name: str, why: str, change_id: str, *, recalled: str = ""
    ) -> None:
        """Take a content out of a pipeline. Join the caller's transaction.

        Args:
            pipeline: whose folders it is taken out of.
            digest: of the content.
            name: of a file that has it.
            why: the reason.
            change_id: of the recall.
            recalled: digest of the content that a person recalled, where this one goes with it.
        """
        self._db.conn.execute(
            "INSERT INTO exclusion VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (pipeline, digest, recalled or digest, name, why, change_id, utc_now()),
        )

    def lift(self, pipeline: str, recalled: str) -> bool:
        """Undo one recall; tell whether there was one.

        What was excluded with the content is allowed again too, but for what another recall excludes.
        """
        if not self.is_recalled(pipeline, recalled):
            return False
        self._db.conn.execute(
            "DELETE FROM exclusion WHERE pipeline = ? AND recalled = ?", (pipeline, recalled)
        )
        return True

    def is_recalled(self, pipeline: str, digest: str) -> bool:
        """Tell whether a content was recalled itself, and not only with what it was taught from."""
        row = self._db.conn.execute(
            "SELECT 1 FROM exclusion WHERE pipeline = ?1 AND digest = ?2 AND recalled = ?2",
            (pipeline, digest),
        ).fetchone()
        return row is not None

    def recalled_with(self, pipeline: str, digest: str) -> list[str]:
        """Return the names of the other contents whose recalls exclude this one."""
        rows = self._db.conn.execute(
            "SELECT own.name FROM exclusion AS one JOIN exclusion AS own ON"
            " own.pipeline = one.pipeline AND own.digest = one.recalled AND own.recalled = own.digest"
            " WHERE one.pipeline = ? AND one.digest = ? AND one.recalled <> one.digest"
            " ORDER BY own.name",
            (pipeline, digest),
        )
        return [str(row[0]) for row in rows]

    def of(self, pipeline: str) -> dict[str, str]:
        """Return the excluded contents of a pipeline, each with its reason.

        Of several reasons, that of a content's own recall comes first.
        """
        rows = self._db.conn.execute(
            "SELECT digest, why FROM exclusion WHERE pipeline = ? ORDER BY recalled = digest",
            (pipeline,),
        )
        return dict(rows.fetchall())
