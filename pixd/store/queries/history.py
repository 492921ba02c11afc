"""Read-only questions to the lineage store, answered as plain mappings for text and JSON.

Standard library only: these serve commands that must start quickly.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.queries.files import MODEL_NUMBER
from pixd.store.queries.sweeps import NO_VARIANT
from pixd.store.states import BytesState, OutputState, RunState
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

_MODEL = (
    "SELECT model.*, ref.is_pinned, ref.model_id IS NOT NULL AS is_live,"
    # Of the weights: the manifest that names a model is kept for ever.
    " coalesce((SELECT state FROM run_output JOIN object_bytes USING (digest)"
    "   WHERE run_id = model.export_run AND role = 'generator'),"
    "  (SELECT state FROM object_bytes WHERE object_bytes.digest = model.digest)) AS bytes_state"
    " FROM model LEFT JOIN ref ON ref.model_id = model.id AND ref.name = 'live'"
)


class RunOutput(NamedTuple):
    """A content that a run made, and where its bytes are."""

    digest: str
    state: BytesState


class TrainingRate(NamedTuple):
    """What a training took: seconds for a step, and the bytes that it made."""

    recipe: Mapping[str, Any]
    seconds_per_step: float
    bytes: int


def commits(
    reader: sqlite3.Connection, pipeline: str, kind: str, limit: int
) -> list[dict[str, Any]]:
    """Return the newest commits of a repo, newest first."""
    rows = reader.execute(
        'SELECT "commit".* FROM "commit" JOIN repo ON repo.id = repo_id'
        " WHERE pipeline = ? AND kind = ? ORDER BY seq DESC LIMIT ?",
        (pipeline, kind, limit),
    )
    return [_commit(row, kind) for row in rows]


def newest_event_at(reader: sqlite3.Connection) -> str:
    """Return when the newest event was noted, RFC 3339; "" where there is none."""
    row = reader.execute("SELECT at FROM event ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def models(reader: sqlite3.Connection, pipeline: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the models of a pipeline, newest first."""
    rows = reader.execute(
        f"{_MODEL} WHERE model.pipeline = ? ORDER BY model.number DESC LIMIT ?", (pipeline, limit)
    )
    return [_model(row) for row in rows]


def once_live(reader: sqlite3.Connection, pipeline: str) -> set[int]:
    """Return the numbers of the models that are or were live."""
    rows = reader.execute(
        "SELECT number FROM model WHERE pipeline = ?1 AND id IN"
        " (SELECT new_model_id FROM ref_log WHERE pipeline = ?1)",
        (pipeline,),
    )
    return {row[0] for row in rows}


def outputs(reader: sqlite3.Connection, pipeline: str, limit: int) -> list[dict[str, Any]]:
    """Return the newest outputs of a pipeline, newest first."""
    rows = reader.execute(
        f"SELECT output.*, {MODEL_NUMBER} AS model_number FROM output"
        f" WHERE output.pipeline = ? AND output.state <> '{OutputState.PUBLISHING}' ORDER BY output.id DESC LIMIT ?",
        (pipeline, limit),
    )
    return [dict(row) for row in rows]


def events(reader: sqlite3.Connection, pipeline: str, limit: int) -> list[dict[str, Any]]:
    """Return what happened, newest first."""
    # One short walk along the index for the pipeline, one for what concerns all of them.
    found = [
        dict(row)
        for name in (pipeline, "")
        for row in reader.execute(
            "SELECT id, at, level, kind, message, change_id FROM event WHERE pipeline = ?"
            " ORDER BY id DESC LIMIT ?",
            (name, limit),
        )
    ]
    found.sort(key=lambda event: int(event.pop("id")), reverse=True)
    return found[:limit]


def events_of(reader: sqlite3.Connection, pipeline: str, limit: int) -> list[dict[str, Any]]:
    """Return what happened in one pipeline, or with "" what concerns all, newest first."""
    return mappings(
        reader,
        "SELECT at, level, kind, message, change_id FROM event WHERE pipeline = ?"
        " ORDER BY id DESC LIMIT ?",
        pipeline,
        limit,
    )


def commit(
    reader: sqlite3.Connection, pipeline: str, kind: str, which: str
) -> dict[str, Any] | None:
    """Return one commit with its changes. `which`: a number, HEAD, or HEAD~N."""
    head = reader.execute(
        'SELECT max(seq) FROM "commit" JOIN repo ON repo.id = repo_id'
        " WHERE pipeline = ? AND kind = ?",
        (pipeline, kind),
    ).fetchone()[0]
    if which.startswith("HEAD"):
        back = which.removeprefix("HEAD").removeprefix("~") or "0"
        if head is None or not back.isdigit():
            return None
        seq = head - int(back)
    elif which.isdigit():
        seq = int(which)
    else:
        raise UsageError(f"{kind}@{which} is no commit", advice=f"{kind}@3, or {kind}@HEAD~1")
    row = reader.execute(
        'SELECT "commit".* FROM "commit" JOIN repo ON repo.id = repo_id'
        " WHERE pipeline = ? AND kind = ? AND seq = ?",
        (pipeline, kind, seq),
    ).fetchone()
    if row is None:
        return None
    version = reader.execute(
        "SELECT files, bytes FROM version WHERE digest = ?", (row["version"],)
    ).fetchone()
    changes = reader.execute(
        "SELECT path, old_digest, new_digest FROM commit_change WHERE commit_id = ? ORDER BY path",
        (row["id"],),
    )
    return {
        **_commit(row, kind),
        "files": version["files"],
        "bytes": version["bytes"],
        "changes": [dict(change) for change in changes],
    }


def model(reader: sqlite3.Connection, pipeline: str, number: int | None) -> dict[str, Any] | None:
    """Return one model, or the live one where `number` is None."""
    where = "model.number = ?2" if number is not None else "ref.model_id IS NOT NULL"
    row = reader.execute(
        f"{_MODEL} WHERE model.pipeline = ?1 AND {where}",
        (pipeline, number) if number is not None else (pipeline,),
    ).fetchone()
    if row is None:
        return None
    found = _model(row)
    found["training"] = run(reader, row["train_run"])
    return found


def run(reader: sqlite3.Connection, run_id: int) -> dict[str, Any] | None:
    """Return one run as `pixd show` prints it: with recipe, inputs, outputs and environment."""
    row = reader.execute(
        "SELECT run.*, recipe.body AS recipe_body, environment.body AS environment_body FROM run"
        " JOIN recipe ON recipe.digest = run.recipe"
        " LEFT JOIN environment ON environment.digest = run.environment WHERE run.id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    found = dict(row)
    found["recipe"] = {"digest": row["recipe"], **json.loads(found.pop("recipe_body"))}
    environment = found.pop("environment_body")
    found["environment"] = json.loads(environment) if environment else None
    for name in ("worker", "progress", "timings", "error"):
        found[name] = json.loads(found[name]) if found[name] else None
    for table in ("run_input", "run_output"):
        edges = reader.execute(
            f"SELECT role, path, digest FROM {table} WHERE run_id = ? ORDER BY role, path",
            (run_id,),
        )
        found[table.removeprefix("run_") + "s"] = [dict(edge) for edge in edges]
    return found


def output_of_run(reader: sqlite3.Connection, run_id: int, role: str) -> RunOutput | None:
    """Return what a run made in a role."""
    row = reader.execute(
        "SELECT digest, state FROM run_output JOIN object_bytes USING (digest)"
        " WHERE run_id = ? AND role = ?",
        (run_id, role),
    ).fetchone()
    return RunOutput(row[0], BytesState.of(row[1])) if row else None


def curves(reader: sqlite3.Connection, run_id: int) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of a training by name, each as (step, value) in the order of steps."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name, step, value in reader.execute(
        "SELECT name, step, value FROM metric WHERE run_id = ? ORDER BY step", (run_id,)
    ):
        found.setdefault(name, []).append((step, value))
    return found


def by_digest(reader: sqlite3.Connection, digest: str) -> list[dict[str, Any]]:
    """Return what a content is: its object row, and where it came in or went out.

    Args:
        reader: the store.
        digest: ``sha256:`` and at least 8 hex digits.
    """
    rows = reader.execute(
        "SELECT object.*, object_bytes.state FROM object JOIN object_bytes USING (digest)"
        " WHERE object.digest >= ?1 AND object.digest < ?1 || 'g'",
        (digest,),
    ).fetchall()
    return [
        {
            **dict(row),
            "files": mappings(
                reader,
                "SELECT repo.pipeline, repo.kind, path, file.state, reason FROM file"
                " JOIN repo ON repo.id = repo_id WHERE digest = ?",
                row["digest"],
            ),
            "outputs": mappings(reader, "SELECT * FROM output WHERE digest = ?", row["digest"]),
            "made_by": mappings(
                reader, "SELECT run_id, role FROM run_output WHERE digest = ?", row["digest"]
            ),
            "used_by": mappings(
                reader,
                "SELECT run_id, role FROM run_input WHERE digest = ? LIMIT 50",
                row["digest"],
            ),
        }
        for row in rows
    ]


def runs_of_key(reader: sqlite3.Connection, key: str) -> list[int]:
    """Return the successful runs of a key, newest first."""
    rows = reader.execute(
        f"SELECT id FROM run WHERE key = ? AND state = '{RunState.SUCCEEDED}' ORDER BY id DESC",
        (key,),
    )
    return [row[0] for row in rows]


def model_of_digest(
    reader: sqlite3.Connection, pipeline: str, digest: str
) -> dict[str, Any] | None:
    """Return the model of a pipeline with this export."""
    row = reader.execute(
        f"{_MODEL} WHERE model.digest = ? AND model.pipeline = ? ORDER BY model.number LIMIT 1",
        (digest, pipeline),
    ).fetchone()
    return _model(row) if row else None


def models_of_training(reader: sqlite3.Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the models that a training made; one, unless it failed."""
    rows = reader.execute(f"{_MODEL} WHERE model.train_run = ? ORDER BY model.number", (run_id,))
    return [_model(row) for row in rows]


def runs_that_made(reader: sqlite3.Connection, digest: str) -> list[int]:
    """Return the translations that made a content, newest first."""
    rows = reader.execute(
        "SELECT run_id FROM run_output JOIN run ON run.id = run_id"
        " WHERE digest = ? AND run.kind = 'translate' ORDER BY run_id DESC",
        (digest,),
    )
    return [row[0] for row in rows]


def pipelines_with_model(reader: sqlite3.Connection, digest: str) -> list[str]:
    """Return the pipelines that have a model with this export."""
    rows = reader.execute("SELECT DISTINCT pipeline FROM model WHERE digest = ?", (digest,))
    return [row[0] for row in rows]


def train_run_before(reader: sqlite3.Connection, pipeline: str, run_id: int) -> int | None:
    """Return the last successful training before a run, which is no variant."""
    row = reader.execute(
        "SELECT id FROM run WHERE pipeline = ? AND kind = 'train' AND id < ?"
        f" AND state = '{RunState.SUCCEEDED}' AND {NO_VARIANT} ORDER BY id DESC LIMIT 1",
        (pipeline, run_id),
    ).fetchone()
    return int(row[0]) if row else None


def training_rates(reader: sqlite3.Connection, pipeline: str) -> list[TrainingRate]:
    """Return what the last trainings took, newest first."""
    rows = reader.execute(
        "SELECT recipe.body, (julianday(finished_at) - julianday(started_at)) * 86400 AS seconds,"
        # The weights of a model are the best, which need not be the last.
        " COALESCE(json_extract(run.progress, '$.step'), model.steps) AS steps, (SELECT sum(size_bytes) FROM run_output JOIN object USING (digest)"
        "   WHERE run_output.run_id = run.id) AS bytes"
        " FROM run JOIN recipe ON recipe.digest = run.recipe JOIN model ON model.train_run = run.id"
        f" WHERE model.early_of = 0 AND run.pipeline = ? AND run.kind = 'train' AND run.state = '{RunState.SUCCEEDED}'"
        " ORDER BY run.id DESC LIMIT 20",
        (pipeline,),
    )
    return [
        TrainingRate(json.loads(row["body"]), row["seconds"] / max(1, row["steps"]), row["bytes"])
        for row in rows
    ]


def translation_rate(
    reader: sqlite3.Connection, pipeline: str
) -> tuple[float | None, float | None]:
    """Return (seconds, bytes) of a translation, as the last hundred were on average.

    The seconds are real time: many are under way at once, so the time of all is divided.
    """
    row = reader.execute(
        "SELECT (julianday(max(finished_at)) - julianday(min(started_at))) * 86400 / count(*),"
        " avg(size_bytes) FROM (SELECT started_at, finished_at, size_bytes FROM run"
        " JOIN run_output ON run_output.run_id = run.id JOIN object USING (digest)"
        f" WHERE pipeline = ? AND kind = 'translate' AND state = '{RunState.SUCCEEDED}' AND change_id ="
        "   (SELECT change_id FROM run WHERE pipeline = ?1 AND kind = 'translate'"
        f"    AND state = '{RunState.SUCCEEDED}' ORDER BY id DESC LIMIT 1)"
        " ORDER BY run.id DESC LIMIT 100)",
        (pipeline,),
    ).fetchone()
    return row[0], row[1]


def mappings(reader: sqlite3.Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """Return the rows of a query as plain mappings."""
    return [dict(row) for row in reader.execute(sql, values)]


def _commit(row: sqlite3.Row, kind: str) -> dict[str, Any]:
    found = dict(row)
    for name in ("id", "repo_id", "parent_id"):
        del found[name]
    return {"name": f"{kind}@{row['seq']}", **found}


def _model(row: sqlite3.Row) -> dict[str, Any]:
    found = dict(row)
    del found["id"]
    found["metrics"] = json.loads(row["metrics"])
    found["verdict"] = json.loads(row["verdict"])
    found["is_live"] = bool(row["is_live"])
    found["is_pinned"] = bool(row["is_pinned"])
    found["name"] = f"model@{row['number']}"
    return found
