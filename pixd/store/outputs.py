"""Published translations: which bytes have which name, and what they were made from.

Publishing has three steps. The row is written as publishing, with the name and the digest; the file
is renamed into place; the row becomes current. After a crash in between, the next start finishes
the work, because the row names the digest that must be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.output_names import output_name_sql, output_stands_sql
from pixd.store.states import STANDING_OUTPUTS, FileState, OutputState, listed
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlite_utils import Database


class Output(NamedTuple):
    """One translation that is published, or is about to be."""

    id: int
    pipeline: str
    path: str
    input_path: str
    input_digest: str
    model_digest: str
    recipe: str
    run_id: int
    digest: str
    state: OutputState
    change_id: str

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Output:
        """Return a row of `_COLUMNS` as an output.

        Raises:
            StoreError: it is in no state that this pixd knows.
        """
        return cls._make((*row[:9], OutputState.of(row[9]), row[10]))


_COLUMNS = (
    "id, pipeline, path, input_path, input_digest, model_digest, recipe, run_id, digest, state,"
    " change_id"
)
_OF_THESE = "output.model_digest = ?3 AND output.recipe = ?4"
_OF_ANY = "pipeline IN (SELECT pipeline FROM output_total)"
"""Of any pipeline that ever had outputs. With it SQLite finds a state by an index; without, it reads
the whole table, which takes a second where 100,000 outputs are not in memory yet."""


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
        """Record which bytes will be published as `path`; return the row's id."""
        cursor = self._db.conn.execute(
            "INSERT INTO output (pipeline, path, input_path, input_digest, model_digest, recipe,"
            " run_id, digest, state, change_id, published_at)"
            f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{OutputState.PUBLISHING}', ?, ?)",
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
        """Make an intended output the current one; the one before it is superseded."""
        with transaction(self._db):
            pipeline, path = self._db.conn.execute(
                "SELECT pipeline, path FROM output WHERE id = ?", (output_id,)
            ).fetchone()
            self._db.conn.execute(
                f"UPDATE output SET state = '{OutputState.SUPERSEDED}' WHERE pipeline = ? AND path = ?"
                f" AND state IN ({listed(STANDING_OUTPUTS)}) AND id <> ?",
                (pipeline, path, output_id),
            )
            # What was to be removed of that name is replaced.
            self._db.conn.execute(
                "DELETE FROM removal WHERE pipeline = ? AND path = ?", (pipeline, path)
            )
            self._db.conn.execute(
                f"UPDATE output SET state = '{OutputState.CURRENT}', published_at = ? WHERE id = ?",
                (utc_now(), output_id),
            )

    def drop_intent(self, output_id: int) -> None:
        """Remove the row of an intended output that was never published."""
        self._db.conn.execute(
            f"DELETE FROM output WHERE id = ? AND state = '{OutputState.PUBLISHING}'", (output_id,)
        )

    def intents(self) -> list[Output]:
        """Return the outputs whose publishing began and is not recorded as done."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE state = '{OutputState.PUBLISHING}' AND {_OF_ANY}"
        )
        return [Output.of_row(row) for row in rows]

    def standing(self, pipeline: str, path: str) -> Output | None:
        """Return the output that has the name `path` now."""
        row = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE pipeline = ? AND path = ?"
            f" AND state IN ({listed(STANDING_OUTPUTS)}) ORDER BY id DESC LIMIT 1",
            (pipeline, path),
        ).fetchone()
        return Output.of_row(row) if row else None

    def has_all(
        self,
        pipeline: str,
        wanted: Iterable[tuple[str, str]],
        input_digest: str,
        model_digest: str,
    ) -> bool:
        """Tell whether outputs are current, or were edited by hand and are kept.

        Args:
            pipeline: whose outputs they are.
            wanted: name and recipe of each.
            input_digest: the content that they should be made of.
            model_digest: the model that should have made them.
        """
        for path, recipe in wanted:
            found = self.standing(pipeline, path)
            if found is None:
                return False
            is_current = found.state is OutputState.CURRENT and (
                (found.input_digest, found.model_digest, found.recipe)
                == (input_digest, model_digest, recipe)
            )
            if not is_current and found.state is not OutputState.EDITED:
                return False
        return True

    def paths_in(self, pipeline: str, state: OutputState) -> Iterator[str]:
        """Yield the path of every output in a state; of the current ones, reading only an index."""
        index = "output_current" if state is OutputState.CURRENT else "output_by_state"
        rows = self._db.conn.execute(
            f"SELECT path FROM output INDEXED BY {index}"
            f" WHERE pipeline = ? AND state = '{state}' ORDER BY path",
            (pipeline,),
        )
        return (row[0] for row in rows)

    def last_published_at(self, pipeline: str) -> str | None:
        """Return when the newest current output was published, RFC 3339, reading only an index."""
        row = self._db.conn.execute(
            "SELECT published_at FROM output INDEXED BY output_by_state"
            f" WHERE pipeline = ? AND state = '{OutputState.CURRENT}' ORDER BY id DESC LIMIT 1",
            (pipeline,),
        ).fetchone()
        return str(row[0]) if row else None

    def set_state(self, output_id: int, state: OutputState) -> None:
        """Move one output to another state."""
        self._db.conn.execute("UPDATE output SET state = ? WHERE id = ?", (state, output_id))

    def orphan(self, pipeline: str, input_paths: list[str]) -> None:
        """Mark the current outputs of inputs that are gone."""
        self._db.conn.executemany(
            f"UPDATE output SET state = '{OutputState.ORPHANED}' WHERE pipeline = ? AND input_path = ?"
            f" AND state IN ('{OutputState.CURRENT}', '{OutputState.EDITED}', '{OutputState.MISSING}')",
            [(pipeline, path) for path in input_paths],
        )

    def orphan_surplus(self, pipeline: str, samples: int) -> int:
        """Mark the outputs under names that their inputs have no more, since `samples` changed.

        Those that were edited by hand stay as they are.

        Returns:
            How many there were.
        """
        cursor = self._db.conn.execute(
            f"UPDATE output SET state = '{OutputState.ORPHANED}' WHERE pipeline = ?"
            f" AND state IN ('{OutputState.CURRENT}', '{OutputState.MISSING}')"
            f" AND path NOT IN ({_names(samples)})",
            (pipeline,),
        )
        return cursor.rowcount

    def orphaned(self, pipeline: str, repo_id: int, samples: int = 1) -> list[str]:
        """Return the paths of the orphaned outputs that nothing asks for any more.

        Their inputs are gone from the repo, not only refused, or have no output of that name.
        """
        rows = self._db.conn.execute(
            "SELECT path FROM output WHERE pipeline = ?"
            f" AND state = '{OutputState.ORPHANED}' AND (path NOT IN ({_names(samples)})"
            " OR NOT EXISTS"
            " (SELECT 1 FROM file WHERE repo_id = ? AND file.path = output.input_path))",
            (pipeline, repo_id),
        )
        return [row[0] for row in rows]

    def is_known(self, pipeline: str, input_path: str, input_digest: str) -> bool:
        """Tell whether this content ever had an output under this name of an input."""
        row = self._db.conn.execute(
            "SELECT 1 FROM output INDEXED BY output_by_input_path WHERE pipeline = ?"
            " AND input_path = ? AND input_digest = ? LIMIT 1",
            (pipeline, input_path, input_digest),
        ).fetchone()
        return row is not None

    def count_standing(self, pipeline: str) -> int:
        """Return how many outputs the output folder should have."""
        row = self._db.conn.execute(
            "SELECT coalesce(sum(outputs), 0) FROM output_total WHERE pipeline = ?"
            f" AND state IN ({listed(STANDING_OUTPUTS)})",
            (pipeline,),
        ).fetchone()
        return int(row[0])

    def made_by(self, pipeline: str, model_digest: str) -> list[Output]:
        """Return the outputs of one model that are not replaced."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE model_digest = ?"
            f" AND state IN ({listed(STANDING_OUTPUTS)}) AND pipeline = ?",
            (model_digest, pipeline),
        )
        return [Output.of_row(row) for row in rows]

    def made_from(self, pipeline: str, input_digest: str) -> list[Output]:
        """Return the outputs of one input content that are not replaced."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM output WHERE input_digest = ? AND pipeline = ?"
            f" AND state IN ({listed(STANDING_OUTPUTS)})",
            (input_digest, pipeline),
        )
        return [Output.of_row(row) for row in rows]

    def requeue_stale(
        self,
        pipeline: str,
        repo_id: int,
        model_digest: str,
        recipe: str,
        number: int = 1,
        samples: int = 1,
        *,
        is_early: bool = False,
    ) -> int:
        """Queue every input whose current output is not of this model, recipe and content.

        An output that was edited by hand counts as current: pixd replaces it only when asked. Of
        several samples, it looks at the one with this number. Under an early model, any output of
        the content will do: `pixd.translation.refresh` is for these.

        Returns:
            How many inputs became due.
        """
        is_right = f"?5 OR ({_OF_THESE})"
        cursor = self._db.conn.execute(
            f"UPDATE file SET state = '{FileState.QUEUED}', reason = '', attempts = 0, retry_at = NULL"
            f" WHERE repo_id = ?1 AND digest IS NOT NULL AND state IN ('{FileState.TRANSLATED}', '{FileState.FAILED}')"
            f" AND NOT {output_stands_sql(number, samples, is_right)}",
            (repo_id, pipeline, model_digest, recipe, is_early),
        )
        return cursor.rowcount

    def behind(
        self, pipeline: str, repo_id: int, model_digest: str, recipe: str, samples: int = 1
    ) -> list[str]:
        """Return the translated inputs whose current output is of another model or recipe.

        Those that were written last come first. Of several samples, the first is looked at, since
        all are made together.
        """
        rows = self._db.conn.execute(
            "SELECT file.path FROM file WHERE repo_id = ?1 AND digest IS NOT NULL"
            f" AND state = '{FileState.TRANSLATED}'"
            f" AND NOT {output_stands_sql(1, samples, _OF_THESE)}"
            " ORDER BY ctime_ns DESC, path",
            (repo_id, pipeline, model_digest, recipe),
        )
        return [row[0] for row in rows]

    def published(self, pipeline: str, path: str) -> list[str]:
        """Return when the outputs of this name were published, RFC 3339, oldest first."""
        rows = self._db.conn.execute(
            "SELECT published_at FROM output INDEXED BY output_by_path WHERE pipeline = ?"
            " AND path = ? ORDER BY id",
            (pipeline, path),
        )
        return [row[0] for row in rows]

    def lose(self, pipeline: str, repo_id: int, path: str) -> str:
        """Note that the file of an output is gone, and queue its input if there is one.

        Returns:
            The name text of the input; "" if no output has that name.
        """
        standing = self.standing(pipeline, path)
        if standing is None:
            return ""
        with transaction(self._db):
            self.set_state(standing.id, OutputState.MISSING)
            if standing.state is not OutputState.ORPHANED:  # nothing asks for that name
                self._db.conn.execute(
                    f"UPDATE file SET state = '{FileState.QUEUED}', reason = 'its output was deleted', attempts = 0,"
                    f" retry_at = NULL WHERE repo_id = ? AND path = ? AND state = '{FileState.TRANSLATED}'",
                    (repo_id, standing.input_path),
                )
        return standing.input_path


def _names(samples: int) -> str:
    """Return the names that the outputs of an output's input have, as a list in SQL."""
    return ", ".join(output_name_sql("input_path", n, samples) for n in range(1, samples + 1))
