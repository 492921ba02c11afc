"""Published translations: which bytes stand under which name, made from what.

Publishing is an intent first: the row says which bytes will stand where, then the file is
renamed into place, then the row becomes current. A crash between the two is finished at the
next start, because the row names the digest that must be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store.connection import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlite_utils import Database


class Output(NamedTuple):
    """One published, or about to be published, translation."""

    id: int
    pipeline: str
    path: str
    input_path: str
    input_digest: str
    model_digest: str
    recipe: str
    run_id: int
    digest: str
    state: str
    change_id: str


_COLUMNS = (
    "id, pipeline, path, input_path, input_digest, model_digest, recipe, run_id, digest, state,"
    " change_id"
)


class Outputs:
    """The table `output`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def intend(
        self,
        pipeline: str,
        path: str,
        *,
        input_path: str,
        input_digest: str,
        model_digest: str,
        recipe: str,
        run_id: int,
        digest: str,
        change_id: str,
    ) -> int:
        """Say which bytes are about to stand under `path`; returns the row's id."""
        cursor = self._db.conn.execute(
            "INSERT INTO output (pipeline, path, input_path, input_digest, model_digest, recipe,"
            " run_id, digest, state, change_id, published_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'publishing', ?, ?)",
            (
                pipeline,
                path,
                input_path,
                input_digest,
                model_digest,
                recipe,
                run_id,
                digest,
                change_id,
                utc_now(),
            ),
        )
        assert cursor.lastrowid is not None  # an INSERT always has one
        return cursor.lastrowid

    def settle_intent(self, output_id: int) -> None:
        """Make an intended output the current one; what stood there before is superseded."""
        with transaction(self._db):
            pipeline, path = self._db.conn.execute(
                "SELECT pipeline, path FROM output WHERE id = ?", (output_id,)
            ).fetchone()
            self._db.conn.execute(
                "UPDATE output SET state = 'superseded' WHERE pipeline = ? AND path = ?"
                " AND state IN ('current', 'edited', 'missing', 'orphaned') AND id <> ?",
                (pipeline, path, output_id),
            )
            self._db.conn.execute(
                "UPDATE output SET state = 'current', published_at = ? WHERE id = ?",
                (utc_now(), output_id),
            )

    def drop_intent(self, output_id: int) -> None:
        """Forget an intended output that never came to stand there."""
        self._db.conn.execute(
            "DELETE FROM output WHERE id = ? AND state = 'publishing'", (output_id,)
        )

    def intents(self) -> list[Output]:
        """Return the outputs whose publishing was begun and not noted as done."""
        rows = self._db.conn.execute(f"SELECT {_COLUMNS} FROM output WHERE state = 'publishing'")
        return [Output(*row) for row in rows]

    def standing(self, pipeline: str, path: str) -> Output | None:
        """Return the output that should stand under `path` now."""
        row = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE pipeline = ? AND path = ?"
            " AND state IN ('current', 'edited', 'missing', 'orphaned') ORDER BY id DESC LIMIT 1",
            (pipeline, path),
        ).fetchone()
        return Output(*row) if row else None

    def current_paths(self, pipeline: str) -> Iterator[str]:
        """Yield the path of every current output, from an index alone."""
        rows = self._db.conn.execute(
            "SELECT path FROM output INDEXED BY output_current"
            " WHERE pipeline = ? AND state = 'current' ORDER BY path",
            (pipeline,),
        )
        return (row[0] for row in rows)

    def last_published_at(self, pipeline: str) -> str | None:
        """Return when the newest current output was published, RFC 3339, from an index alone."""
        row = self._db.conn.execute(
            "SELECT published_at FROM output INDEXED BY output_by_state"
            " WHERE pipeline = ? AND state = 'current' ORDER BY id DESC LIMIT 1",
            (pipeline,),
        ).fetchone()
        return str(row[0]) if row else None

    def set_state(self, output_id: int, state: str) -> None:
        """Move one output to another state."""
        self._db.conn.execute("UPDATE output SET state = ? WHERE id = ?", (state, output_id))

    def orphan(self, pipeline: str, input_paths: list[str]) -> None:
        """Mark the current outputs of inputs that are gone."""
        self._db.conn.executemany(
            "UPDATE output SET state = 'orphaned' WHERE pipeline = ? AND input_path = ?"
            " AND state IN ('current', 'edited', 'missing')",
            [(pipeline, path) for path in input_paths],
        )

    def count_standing(self, pipeline: str) -> int:
        """Return how many outputs should stand in the output folder."""
        row = self._db.conn.execute(
            "SELECT coalesce(sum(outputs), 0) FROM output_total WHERE pipeline = ?"
            " AND state IN ('current', 'edited', 'missing', 'orphaned')",
            (pipeline,),
        ).fetchone()
        return int(row[0])

    def withdrawn(self) -> list[Output]:
        """Return the outputs that were taken away and that nothing replaced since."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output AS gone WHERE state = 'withdrawn' AND NOT EXISTS"
            " (SELECT 1 FROM output WHERE output.pipeline = gone.pipeline"
            "   AND output.path = gone.path AND output.id > gone.id)"
        )
        return [Output(*row) for row in rows]

    def made_by(self, pipeline: str, model_digest: str) -> list[Output]:
        """Return the standing outputs of one model."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE model_digest = ?"
            " AND state IN ('current', 'edited', 'missing', 'orphaned') AND pipeline = ?",
            (model_digest, pipeline),
        )
        return [Output(*row) for row in rows]

    def made_from(self, pipeline: str, input_digest: str) -> list[Output]:
        """Return the standing outputs of one input content."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE input_digest = ? AND pipeline = ?"
            " AND state IN ('current', 'edited', 'missing', 'orphaned')",
            (input_digest, pipeline),
        )
        return [Output(*row) for row in rows]

    def requeue_stale(self, pipeline: str, repo_id: int, model_digest: str, recipe: str) -> int:
        """Queue every input whose current output is not of this model, recipe and content.

        An output edited by hand counts as current: it is not replaced without being asked.

        Returns:
            How many inputs became due.
        """
        cursor = self._db.conn.execute(
            "UPDATE file SET state = 'queued', reason = '', attempts = 0, retry_at = NULL"
            " WHERE repo_id = ?1 AND digest IS NOT NULL AND state IN ('translated', 'failed')"
            " AND NOT EXISTS (SELECT 1 FROM output WHERE output.pipeline = ?2"
            "   AND output.input_path = file.path AND output.input_digest = file.digest"
            "   AND output.model_digest = ?3 AND output.recipe = ?4"
            "   AND output.state IN ('current', 'edited'))",
            (repo_id, pipeline, model_digest, recipe),
        )
        return cursor.rowcount

    def requeue_missing(self, repo_id: int, output: Output) -> None:
        """Queue the input of an output whose file is gone."""
        with transaction(self._db):
            self.set_state(output.id, "missing")
            self._db.conn.execute(
                "UPDATE file SET state = 'queued', reason = 'its output was deleted', attempts = 0,"
                " retry_at = NULL WHERE repo_id = ? AND path = ? AND state = 'translated'",
                (repo_id, output.input_path),
            )
