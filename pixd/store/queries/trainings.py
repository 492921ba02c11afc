"""What was trained before: the model of a key, its failures, the live model, what was recalled.

Standard library only. Every query names its index, because without statistics SQLite would read all
runs of a pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store.states import BytesState, RunState

if TYPE_CHECKING:
    import sqlite3


class Trained(NamedTuple):
    """The model that a training made.

    Attributes:
        number: of the model in its pipeline.
        digest: of its export.
        train_run: the run that made it.
        metrics: JSON, as the trainer measured them.
        verdict: JSON of what was decided about it then.
        has_weights: whether the bytes of its generator are still present.
    """

    number: int
    digest: str
    train_run: int
    metrics: str
    verdict: str
    has_weights: bool


class Failure(NamedTuple):
    """A failed attempt: the run, and the reason."""

    run_id: int
    reason: str


class Live(NamedTuple):
    """The live model.

    Attributes:
        number: of the model in its pipeline.
        train_run: the run that made it.
        is_pinned: whether a person pinned it.
        is_early: whether it was exported while that run went on.
    """

    number: int
    train_run: int
    is_pinned: bool
    is_early: bool

    def is_of(self, train_run: int) -> bool:
        """Tell whether it is the model that a training made at its end."""
        return self.train_run == train_run and not self.is_early


_TRAINED = (
    "SELECT number, digest, train_run, metrics, verdict, EXISTS (SELECT 1 FROM run_output"
    "   JOIN object_bytes USING (digest) WHERE run_output.run_id = model.export_run"
    f"   AND role = 'generator' AND object_bytes.state = '{BytesState.PRESENT}')"
)


def newest_of_key(reader: sqlite3.Connection, pipeline: str, key: str) -> Trained | None:
    """Return the model of the newest training that succeeded with a key."""
    row = reader.execute(
        f"{_TRAINED} FROM run INDEXED BY run_by_key CROSS JOIN model ON model.train_run = run.id"
        f" WHERE run.key = ? AND run.state = '{RunState.SUCCEEDED}' AND run.pipeline = ?"
        " AND model.early_of = 0 ORDER BY run.id DESC, model.id DESC LIMIT 1",
        (key, pipeline),
    ).fetchone()
    return _trained(row)


def model_of_run(reader: sqlite3.Connection, train_run: int) -> Trained | None:
    """Return the model that a training made at its end."""
    row = reader.execute(
        f"{_TRAINED} FROM model WHERE train_run = ? AND early_of = 0 ORDER BY model.id DESC LIMIT 1",
        (train_run,),
    ).fetchone()
    return _trained(row)


def _trained(row: sqlite3.Row | None) -> Trained | None:
    if row is None:
        return None
    number, digest, train_run, metrics, verdict, has_weights = row
    return Trained(number, digest, train_run, metrics, verdict, bool(has_weights))


def failures_of_key(reader: sqlite3.Connection, pipeline: str, key: str) -> list[Failure]:
    """Return the failed attempts at a key that no person has forgiven, oldest first."""
    rows = reader.execute(
        f"SELECT id, reason FROM run INDEXED BY run_by_key WHERE key = ? AND state = '{RunState.FAILED}'"
        " AND pipeline = ? AND NOT EXISTS (SELECT 1 FROM forgiven WHERE run_id = run.id)"
        " ORDER BY id",
        (key, pipeline),
    )
    return [Failure(*row) for row in rows]


def live(reader: sqlite3.Connection, pipeline: str) -> Live | None:
    """Return the live model of a pipeline."""
    row = reader.execute(
        "SELECT number, train_run, is_pinned, early_of FROM ref JOIN model ON model.id = ref.model_id"
        " WHERE ref.pipeline = ? AND ref.name = 'live'",
        (pipeline,),
    ).fetchone()
    return Live(row[0], row[1], bool(row[2]), bool(row[3])) if row else None


def as_live(
    reader: sqlite3.Connection, pipeline: str, number: int, *, is_pinned: bool
) -> Live | None:
    """Return a model as it would be if it were live; None where there is no such model."""
    row = reader.execute(
        "SELECT train_run, early_of FROM model WHERE pipeline = ? AND number = ?",
        (pipeline, number),
    ).fetchone()
    return Live(number, row[0], is_pinned, bool(row[1])) if row else None


def excluded(reader: sqlite3.Connection, pipeline: str) -> dict[str, str]:
    """Return the recalled contents of a pipeline, each with the name that it had."""
    rows = reader.execute("SELECT digest, name FROM exclusion WHERE pipeline = ?", (pipeline,))
    return {str(row[0]): str(row[1]) for row in rows}
