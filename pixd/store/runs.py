"""Runs: every piece of work, its key, its inputs and outputs, and how it ended.

A run's key is the digest of everything that changes its result. Work whose key has succeeded is not
done again. Every change of state is a compare-and-set, so that a late report cannot change a run
that was given up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.edges import Edge
from pixd.store.states import ACTIVE_RUNS, BytesState, RunState, listed
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now
from pixd.system.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlite_utils import Database


class Run(NamedTuple):
    """One run as the service needs it."""

    id: int
    pipeline: str
    kind: str
    key: str
    change_id: str
    state: RunState
    reason: str
    attempt: int

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Run:
        """Return a row of `_COLUMNS` as a run.

        Raises:
            StoreError: it is in no state that this pixd knows.
        """
        return cls._make((*row[:5], RunState.of(row[5]), *row[6:]))


_COLUMNS = "id, pipeline, kind, key, change_id, state, reason, attempt"


def run_key(kind: str, revision: int, recipe: str, inputs: Iterable[str]) -> str:
    """Return the digest of all that changes a run's result.

    Args:
        kind: the stage.
        revision: raised when the stage's code changes what it makes.
        recipe: digest of the effective settings.
        inputs: digests of what goes in, in an order that is part of the meaning.
    """
    return digest_of(canonical_json([kind, revision, recipe, list(inputs)]).encode())


class Runs:
    """The tables `run`, `run_input`, `run_output`, `recipe`, `environment` and `metric`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def add_recipe(self, stage: str, settings: Mapping[str, Any]) -> str:
        """Record the effective settings of a stage and return their digest."""
        body = canonical_json({"stage": stage, **settings})
        digest = digest_of(body.encode())
        self._db.execute(
            "INSERT INTO recipe VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (digest, stage, body)
        )
        return digest

    def queue(
        self,
        pipeline: str,
        kind: str,
        key: str,
        *,
        change_id: str,
        recipe: str,
        inputs: Sequence[Edge],
        reason: str,
        state: RunState = RunState.QUEUED,
    ) -> int:
        """Write a new run and its inputs; returns its id.

        Raises:
            sqlite3.IntegrityError: a run with this key is active already.
        """
        with transaction(self._db):
            attempts = self._db.conn.execute(
                # Without statistics SQLite would read every run of the pipeline.
                "SELECT count(*) FROM run INDEXED BY run_by_key WHERE key = ? AND pipeline = ?"
                f" AND state IN ('{RunState.FAILED}', '{RunState.LOST}')",
                (key, pipeline),
            ).fetchone()[0]
            now = utc_now()
            cursor = self._db.conn.execute(
                "INSERT INTO run (pipeline, kind, key, change_id, recipe, state, reason, attempt,"
                " queued_at, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    pipeline,
                    kind,
                    key,
                    change_id,
                    recipe,
                    state,
                    reason,
                    attempts + 1,
                    now,
                    now if state == RunState.RUNNING else None,
                ),
            )
            run_id = cursor.lastrowid
            assert run_id is not None  # an INSERT always has one
            self._db.conn.executemany(
                "INSERT INTO run_input VALUES (?, ?, ?, ?)", [(run_id, *edge) for edge in inputs]
            )
        return run_id

    def move(
        self, run_id: int, expected: Sequence[RunState], state: RunState, **columns: Any
    ) -> bool:
        """Change a run's state if it is still in one of the expected ones; return whether it was.

        Args:
            run_id: the run.
            expected: states that it may be in.
            state: the new one.
            **columns: further columns of `run`; mappings and lists are written as JSON.
        """
        if state == RunState.RUNNING:
            columns.setdefault("started_at", utc_now())
        elif state not in ACTIVE_RUNS:
            columns.setdefault("finished_at", utc_now())
        values = [canonical_json(v) if isinstance(v, dict | list) else v for v in columns.values()]
        assignments = "".join(f", {name} = ?" for name in columns)
        marks = ", ".join("?" * len(expected))
        cursor = self._db.conn.execute(
            f"UPDATE run SET state = ?{assignments} WHERE id = ? AND state IN ({marks})",
            (state, *values, run_id, *expected),
        )
        return cursor.rowcount == 1

    def note_progress(self, run_id: int, progress: Mapping[str, Any]) -> None:
        """Record how far a run is, for readers while no service runs."""
        self._db.conn.execute(
            "UPDATE run SET progress = ? WHERE id = ?", (canonical_json(progress), run_id)
        )

    def add_outputs(self, run_id: int, outputs: Iterable[Edge]) -> None:
        """Write what a run made. The objects' rows must be there."""
        self._db.conn.executemany(
            "INSERT INTO run_output VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(run_id, *edge) for edge in outputs],
        )

    def add_environment(self, environment: Mapping[str, Any]) -> str:
        """Record library versions, host and device. They are never part of a key."""
        body = canonical_json(environment)
        digest = digest_of(body.encode())
        self._db.conn.execute(
            "INSERT INTO environment VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, body)
        )
        return digest

    def add_curve(self, run_id: int, curve: Iterable[Mapping[str, float]]) -> None:
        """Keep a training curve, already thinned, as (step, name, value)."""
        rows = [
            (run_id, int(point["step"]), name, float(value))
            for point in curve
            for name, value in point.items()
            if name != "step" and isinstance(value, int | float)
        ]
        self._db.conn.executemany("INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?)", rows)

    def get(self, run_id: int) -> Run:
        """Return one run."""
        return Run.of_row(
            self._db.conn.execute(f"SELECT {_COLUMNS} FROM run WHERE id = ?", (run_id,)).fetchone()
        )

    def succeeded(self, pipeline: str, key: str) -> int | None:
        """Return the newest run of a pipeline that succeeded with this key."""
        row = self._db.conn.execute(
            "SELECT id FROM run INDEXED BY run_by_key WHERE key = ? AND pipeline = ?"
            f" AND state = '{RunState.SUCCEEDED}'"
            " ORDER BY id DESC LIMIT 1",
            (key, pipeline),
        ).fetchone()
        return int(row[0]) if row else None

    def output_digest(self, run_id: int, role: str) -> str | None:
        """Return the digest of a run's output in a role, if its bytes are still present."""
        row = self._db.conn.execute(
            "SELECT digest FROM run_output JOIN object_bytes USING (digest)"
            f" WHERE run_id = ? AND role = ? AND object_bytes.state = '{BytesState.PRESENT}'",
            (run_id, role),
        ).fetchone()
        return str(row[0]) if row else None

    def attempts(self, pipeline: str, key: str) -> list[Run]:
        """Return every run of a key, oldest first."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM run"
            " INDEXED BY run_by_key WHERE key = ? AND pipeline = ? ORDER BY id",
            (key, pipeline),
        )
        return [Run.of_row(row) for row in rows]

    def mean_seconds(self, pipeline: str, kind: str) -> float:
        """Return how long the last successful runs of a kind took on average; 0.0 for none."""
        row = self._db.conn.execute(
            "SELECT avg(seconds) FROM (SELECT (julianday(finished_at) - julianday(started_at))"
            f" * 86400 AS seconds FROM run WHERE pipeline = ? AND kind = ? AND state = '{RunState.SUCCEEDED}'"
            " ORDER BY id DESC LIMIT 20)",
            (pipeline, kind),
        ).fetchone()
        return float(row[0] or 0.0)

    def translation_of(self, pipeline: str, image: str, model: str, like: str) -> str | None:
        """Return the digest of the newest translation of an image by a model, if still kept.

        Args:
            pipeline: whose translation.
            image: digest of the input.
            model: digest of the model.
            like: digest of a recipe that makes the same sample of an input.
        """
        rows = self._db.conn.execute(
            "SELECT run.id FROM run_input AS image JOIN run ON run.id = image.run_id"
            " JOIN run_input AS model ON model.run_id = run.id AND model.role = 'model'"
            " JOIN recipe ON recipe.digest = run.recipe"
            " WHERE image.digest = ? AND image.role = 'image' AND model.digest = ?"
            " AND json_extract(recipe.body, '$.sample_number') IS"
            "  (SELECT json_extract(body, '$.sample_number') FROM recipe WHERE digest = ?)"
            f" AND run.pipeline = ? AND run.state = '{RunState.SUCCEEDED}' ORDER BY run.id DESC LIMIT 1",
            (image, model, like, pipeline),
        ).fetchone()
        return self.output_digest(rows[0], "image") if rows else None

    def forgive(self, pipeline: str) -> int:
        """Forgive every failed training so far, so that its key is tried again; return how many."""
        cursor = self._db.conn.execute(
            "INSERT INTO forgiven SELECT id, ? FROM run WHERE pipeline = ? AND kind = 'train'"
            f" AND state = '{RunState.FAILED}' ON CONFLICT DO NOTHING",
            (utc_now(), pipeline),
        )
        return cursor.rowcount

    def forgive_before(self, pipeline: str, key: str, run_id: int) -> None:
        """Forgive the failed attempts of a key before a run, because that run came further."""
        self._db.conn.execute(
            "INSERT INTO forgiven SELECT id, ? FROM run WHERE pipeline = ? AND key = ? AND id < ?"
            f" AND state = '{RunState.FAILED}' ON CONFLICT DO NOTHING",
            (utc_now(), pipeline, key, run_id),
        )

    def last_finished(self, run_id: int) -> tuple[RunState, str | None]:
        """Return (state, finished_at) of a run."""
        row = self._db.conn.execute(
            "SELECT state, finished_at FROM run WHERE id = ?", (run_id,)
        ).fetchone()
        return RunState.of(row[0]), row[1]

    def active(self, pipeline: str | None = None) -> list[Run]:
        """Return the runs that are not finished, oldest first."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM run"
            f" WHERE state IN ({listed(ACTIVE_RUNS)})"
            " AND (?1 IS NULL OR pipeline = ?1) ORDER BY id",
            (pipeline,),
        )
        return [Run.of_row(row) for row in rows]

    def trainings_under_way(self) -> dict[str, str]:
        """Return the pipeline of each training that is not finished, by its key."""
        rows = self._db.conn.execute(
            f"SELECT key, pipeline FROM run WHERE kind = 'train' AND state IN ({listed(ACTIVE_RUNS)})"
        )
        return dict(rows.fetchall())

    def worker_of(self, run_id: int) -> Mapping[str, Any] | None:
        """Return the identity of the process that worked on a run."""
        row = self._db.conn.execute("SELECT worker FROM run WHERE id = ?", (run_id,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None
