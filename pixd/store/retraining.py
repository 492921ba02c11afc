"""Models that people asked to have made anew, and the revisions that made trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries.retraining import Asked, asked_of
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from sqlite_utils import Database


class Retraining:
    """The tables `retraining` and `run_revision`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def ask(self, pipeline: str, asked: Asked) -> None:
        """Record that a model is to be made anew. An earlier wish of the pipeline is replaced."""
        self._db.conn.execute(
            "INSERT INTO retraining VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (pipeline) DO UPDATE SET"
            " model = excluded.model, who = excluded.who, why = excluded.why,"
            " change_id = excluded.change_id, asked_at = excluded.asked_at",
            (pipeline, *asked, utc_now()),
        )

    def of(self, pipeline: str) -> Asked | None:
        """Return what was asked for and is not done yet."""
        return asked_of(self._db.conn, pipeline)

    def forget(self, pipeline: str) -> None:
        """Record that it is done, or given up. Join the caller's transaction."""
        self._db.conn.execute("DELETE FROM retraining WHERE pipeline = ?", (pipeline,))

    def note_revision(self, run_id: int, revision: int) -> None:
        """Record the revision in a training's key. Join the caller's transaction."""
        self._db.conn.execute("INSERT INTO run_revision VALUES (?, ?)", (run_id, revision))
