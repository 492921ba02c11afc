"""Models and the ref that says which one is live.

A model is named by the digest of its export and by a number that counts up in its pipeline.
One row says which model is live. Every change of that row is kept with who and why, so that it is
always known which model was live when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.queries.lineage import key_of_run
from pixd.store.states import STANDING_OUTPUTS, TRANSLATABLE, FileState, OutputState, listed
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now
from pixd.system.digests import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlite_utils import Database

LIVE = "live"
ROLLED_BACK = "rolled back from "
RECALLED = ", which was recalled"
"""How the reason of a change begins, or ends, that goes back: the records of every store say it so."""


class Model(NamedTuple):
    """One model.

    `steps` is how far it was trained. `early_of` is how many steps its training has, if it was
    exported on the way; 0 for the training's own model.
    """

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
    steps: int
    early_of: int


_COLUMNS = (
    "id, pipeline, number, digest, train_run, export_run, version, commit_seq, metrics, verdict,"
    " steps, early_of"
)
_OF_MODEL = ", ".join(f"model.{column}" for column in _COLUMNS.split(", "))  # beside other tables


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
        early_of: int = 0,
    ) -> Model:
        """Write a new model under the next number. Join the caller's transaction."""
        with transaction(self._db):
            number = self._db.conn.execute(
                "SELECT coalesce(max(number), 0) + 1 FROM model WHERE pipeline = ?", (pipeline,)
            ).fetchone()[0]
            cursor = self._db.conn.execute(
                "INSERT INTO model (pipeline, number, digest, train_run, export_run, version,"
                " commit_seq, steps, metrics, verdict, created_at, early_of)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    early_of,
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

    def live(self, pipeline: str) -> Model | None:
        """Return the model that translates now."""
        row = self._db.conn.execute(
            f"SELECT {_OF_MODEL} FROM ref"
            " JOIN model ON model.id = ref.model_id WHERE ref.pipeline = ? AND ref.name = ?",
            (pipeline, LIVE),
        ).fetchone()
        return Model(*row) if row else None

    def is_pinned(self, pipeline: str) -> bool:
        """Return whether a person pinned the live model."""
        row = self._db.conn.execute(
            "SELECT is_pinned FROM ref WHERE pipeline = ? AND name = ?", (pipeline, LIVE)
        ).fetchone()
        return bool(row and row[0])

    def numbered(self, pipeline: str, number: int) -> Model | None:
        """Return the model of that number."""
        row = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM model WHERE pipeline = ? AND number = ?", (pipeline, number)
        ).fetchone()
        return Model(*row) if row else None

    def highest_number(self, pipeline: str) -> int:
        """Return the number of the newest model, which is how many were made; 0 before."""
        row = self._db.conn.execute(
            "SELECT coalesce(max(number), 0) FROM model WHERE pipeline = ?", (pipeline,)
        ).fetchone()
        return int(row[0])

    def before(self, live: Model) -> Model | None:
        """Return the model that was live before the live one became so, the last time.

        The early models of its own training are passed over.
        """
        key = self._key_of(live)
        for found in self.left(live.pipeline):
            if not found.early_of or self._key_of(found) != key:
                return found
        return None

    def left(self, pipeline: str) -> list[Model]:
        """Return the models that were live before the present one, the last first.

        What went back (a rollback, a recall) took a step away and added none, so two rollbacks are
        two steps.
        """
        rows = self._db.conn.execute(
            "SELECT new_model_id, why FROM ref_log WHERE pipeline = ? AND name = ?"
            " AND old_model_id IS NOT new_model_id ORDER BY id",
            (pipeline, LIVE),
        )
        steps: list[int | None] = []
        for model_id, why in rows:
            goes_back = why.startswith(ROLLED_BACK) or why.endswith(RECALLED)
            if goes_back and model_id in steps[:-1]:
                steps.pop()
                while steps[-1] != model_id:
                    steps.pop()
            else:
                steps.append(model_id)
        return [self.get(one) for one in reversed(steps[:-1]) if one is not None]

    def beside(self, pipeline: str, key: str) -> Model | None:
        """Return what the models of a training are compared with.

        It is the live model, or if that is an early model of the training itself, the one before.

        Args:
            pipeline: its name.
            key: of the training.
        """
        live = self.live(pipeline)
        if live is None or not live.early_of or self._key_of(live) != key:
            return live
        return self.before(live)

    def early(self, pipeline: str, key: str, step: int) -> Model | None:
        """Return the early model that a training gave at a step."""
        row = self._db.conn.execute(
            f"SELECT {_OF_MODEL} FROM run"
            " INDEXED BY run_by_key CROSS JOIN model ON model.train_run = run.id"
            " WHERE run.key = ? AND run.pipeline = ? AND model.early_of > 0 AND model.steps = ?",
            (key, pipeline, step),
        ).fetchone()
        return Model(*row) if row else None

    def _key_of(self, model: Model) -> str:
        return key_of_run(self._db.conn, model.train_run)

    def accepted(self, pipeline: str) -> list[Model]:
        """Return the models that were promoted, by their scores or by a person, newest first."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM model WHERE pipeline = ? AND (json_extract(verdict, '$.promote') = 1"
            " OR id IN (SELECT new_model_id FROM ref_log WHERE ref_log.pipeline = model.pipeline))"
            " ORDER BY number DESC",
            (pipeline,),
        )
        return [Model(*row) for row in rows]

    def with_outputs(self, pipeline: str) -> list[Model]:
        """Return the models with outputs that are not replaced, oldest first."""
        rows = self._db.conn.execute(
            f"SELECT {_COLUMNS} FROM model WHERE pipeline = ? AND EXISTS (SELECT 1 FROM output"
            " WHERE model_digest = model.digest AND output.pipeline = model.pipeline"
            f" AND output.state IN ({listed(STANDING_OUTPUTS)})) ORDER BY number",
            (pipeline,),
        )
        return [Model(*row) for row in rows]

    def promote(
        self, model: Model, *, who: str, why: str, change_id: str, pin: bool = False
    ) -> None:
        """Make a model live, with who did it and why; every input is due under it.

        Under an early model that nobody pins, only those are due that have no output yet. The others
        are made again little by little (`pixd.translation.refresh`), and all by the training's own.

        The translations that follow carry the change that led to the model, also those of inputs
        that waited for a first model. So a drop of pairs and all its results share one id.
        """
        with transaction(self._db):
            old = self.live(model.pipeline)
            now = utc_now()
            self._db.conn.execute(
                f"UPDATE file SET state = '{FileState.QUEUED}', reason = '', attempts = 0, retry_at = NULL,"
                " change_id = ?1 WHERE digest IS NOT NULL"
                f" AND state IN ({listed(TRANSLATABLE)})"
                " AND repo_id = (SELECT id FROM repo WHERE pipeline = ?2 AND kind = 'input')"
                " AND NOT EXISTS (SELECT 1 FROM output WHERE output.pipeline = ?2"
                "   AND output.input_path = file.path AND output.input_digest = file.digest"
                "   AND (?4 OR output.model_digest = ?3)"
                f"   AND output.state IN ('{OutputState.CURRENT}', '{OutputState.EDITED}'))",
                (change_id, model.pipeline, model.digest, bool(model.early_of) and not pin),
            )
            self._db.conn.execute(
                "INSERT INTO ref VALUES (?, ?, ?, ?, ?) ON CONFLICT (pipeline, name) DO UPDATE SET"
                " model_id = excluded.model_id, is_pinned = excluded.is_pinned,"
                " changed_at = excluded.changed_at",
                (model.pipeline, LIVE, model.id, int(pin), now),
            )
            self._log(model.pipeline, old, model, pin=pin, who=who, why=why, change_id=change_id)

    def unpin(self, model: Model, *, who: str, why: str, change_id: str) -> None:
        """Allow newer models to replace the live one again."""
        with transaction(self._db):
            self._db.conn.execute(
                "UPDATE ref SET is_pinned = 0 WHERE pipeline = ? AND name = ?",
                (model.pipeline, LIVE),
            )
            self._log(
                model.pipeline, model, model, pin=False, who=who, why=why, change_id=change_id
            )

    def withdraw(self, model: Model, *, who: str, why: str, change_id: str) -> None:
        """Leave the pipeline without a live model."""
        with transaction(self._db):
            self._db.conn.execute(
                "DELETE FROM ref WHERE pipeline = ? AND name = ?", (model.pipeline, LIVE)
            )
            self._log(model.pipeline, model, None, pin=False, who=who, why=why, change_id=change_id)

    def _log(
        self,
        pipeline: str,
        old: Model | None,
        new: Model | None,
        *,
        pin: bool,
        who: str,
        why: str,
        change_id: str,
    ) -> None:
        self._db.conn.execute(
            "INSERT INTO ref_log (pipeline, name, old_model_id, new_model_id, is_pinned, who, why,"
            " change_id, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                pipeline,
                LIVE,
                old.id if old else None,
                new.id if new else None,
                int(pin),
                who,
                why,
                change_id,
                utc_now(),
            ),
        )
