"""Models and the ref that says which one is live.

A model is named by the digest of its export and by a number that counts up in its pipeline.
Which one is live is one row; every change of it is kept with who and why, so that "which
model was live then" always has an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.records import canonical_json
from pixd.store.connection import transaction, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlite_utils import Database

LIVE = "live"


class Model(NamedTuple):
    """One model."""

    id: int
    pipeline: str
    number: int
    digest: str
    train_run: int
    export_run: int
    version: str
    commit_seq: int
    metrics: str
    verdict: str


_COLUMNS = (
    "id, pipeline, number, digest, train_run, export_run, version, commit_seq, metrics, verdict"
)


class Models:
    """The tables `model`, `ref` and `ref_log`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def add(
        self,
        pipeline: str,
        digest: str,
        *,
        train_run: int,
        export_run: int,
        version: str,
        commit_seq: int,
        steps: int,
        metrics: Mapping[str, Any],
        verdict: str,
    ) -> Model:
        """Write a new model under the next number. Join the caller's transaction."""
        with transaction(self._db):
            number = self._db.conn.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM model WHERE pipeline = ?", (pipeline,)
            ).fetchone()[0]
            cursor = self._db.conn.execute(
                "INSERT INTO model (pipeline, number, digest, train_run, export_run, version,"
                " commit_seq, steps, metrics, verdict, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    pipeline,
                    number,
                    digest,
                    train_run,
                    export_run,
                    version,
                    commit_seq,
                    steps,
                    canonical_json(metrics),
                    verdict,
                    utc_now(),
                ),
            )
            assert cursor.lastrowid is not None  # an INSERT always has one
            return self.get(cursor.lastrowid)

    def get(self, model_id: int) -> Model:
        """Return one model by its row id."""
        return Model(
            *self._db.conn.execute(
                f"SELECT {_COLUMNS} FROM model WHERE id = ?", (model_id,)
            ).fetchone()
        )

    def of_train_run(self, train_run: int) -> Model | None:
        """Return the model that a training run led to."""
        row = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM model WHERE train_run = ? ORDER BY id DESC LIMIT 1",
            (train_run,),
        ).fetchone()
        return Model(*row) if row else None

    def live(self, pipeline: str) -> Model | None:
        """Return the model that translates now."""
        row = self._db.conn.execute(
            f"SELECT {', '.join('model.' + c for c in _COLUMNS.split(', '))} FROM ref"
            " JOIN model ON model.id = ref.model_id WHERE ref.pipeline = ? AND ref.name = ?",
            (pipeline, LIVE),
        ).fetchone()
        return Model(*row) if row else None

    def is_pinned(self, pipeline: str) -> bool:
        """Tell whether a person fixed the live model."""
        row = self._db.conn.execute(
            "SELECT is_pinned FROM ref WHERE pipeline = ? AND name = ?", (pipeline, LIVE)
        ).fetchone()
        return bool(row and row[0])

    def promote(
        self, model: Model, *, who: str, why: str, change_id: str, pin: bool = False
    ) -> None:
        """Make a model live and note who did it and why."""
        with transaction(self._db):
            old = self.live(model.pipeline)
            now = utc_now()
            self._db.conn.execute(
                "INSERT INTO ref VALUES (?, ?, ?, ?, ?) ON CONFLICT (pipeline, name) DO UPDATE SET"
                " model_id = excluded.model_id, is_pinned = excluded.is_pinned,"
                " changed_at = excluded.changed_at",
                (model.pipeline, LIVE, model.id, int(pin), now),
            )
            self._db.conn.execute(
                "INSERT INTO ref_log (pipeline, name, old_model_id, new_model_id, is_pinned, who,"
                " why, change_id, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    model.pipeline,
                    LIVE,
                    old.id if old else None,
                    model.id,
                    int(pin),
                    who,
                    why,
                    change_id,
                    now,
                ),
            )
