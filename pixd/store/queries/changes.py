"""A change and its results: one drop of files, its commits, trainings, models and translations.

Every commit has a change id, and everything that it causes has the same id. Read-only,
standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.store.queries.files import MODEL_NUMBER
from pixd.store.queries.history import mappings
from pixd.store.states import ACTIVE_RUNS, UNFINISHED_FILES, FileState, RunState, listed

if TYPE_CHECKING:
    import sqlite3


def change(reader: sqlite3.Connection, change_id: str) -> dict[str, Any] | None:
    """Return what is recorded under a change id, oldest first; None for an unknown one.

    Returns:
        commits, runs (counts by kind and state), refs (models made live), outputs (counts by
        state), files (inputs that carry it, by state) and events.
    """
    commits = mappings(
        reader,
        "SELECT repo.pipeline, repo.kind || '@' || seq AS name, seq, reason, committed_at"
        ' FROM "commit" JOIN repo ON repo.id = repo_id WHERE change_id = ? ORDER BY "commit".id',
        change_id,
    )
    runs: dict[str, dict[str, int]] = {}
    for kind, state, count in reader.execute(
        "SELECT kind, state, count(*) FROM run WHERE change_id = ? GROUP BY kind, state",
        (change_id,),
    ):
        runs.setdefault(kind, {})[state] = count
    refs = mappings(
        reader,
        "SELECT ref_log.pipeline, 'model@' || model.number AS model, who, why, changed_at"
        " FROM ref_log LEFT JOIN model ON model.id = new_model_id WHERE change_id = ?"
        " ORDER BY ref_log.id",
        change_id,
    )
    events = mappings(
        reader,
        "SELECT at, pipeline, level, kind, message, change_id FROM event WHERE change_id = ?"
        " ORDER BY id LIMIT 1000",
        change_id,
    )
    found = {
        "commits": commits,
        "runs": runs,
        "refs": refs,
        "outputs": _counts(reader, "output", change_id),
        "files": _counts(reader, "file", change_id),
        "events": events,
    }
    return {"change": change_id, **found} if any(found.values()) else None


def outputs(reader: sqlite3.Connection, change_id: str, limit: int) -> list[dict[str, Any]]:
    """Return the first outputs of a change by name, each with its state and its model's number."""
    return mappings(
        reader,
        f"SELECT output.path, output.state, {MODEL_NUMBER} AS model_number FROM output"
        " WHERE change_id = ? ORDER BY output.path, output.id LIMIT ?",
        change_id,
        limit,
    )


def whole_id(reader: sqlite3.Connection, text: str) -> str | None:
    """Return the one change id that begins with `text`, or None."""
    ids: set[str] = set()
    for table in ('"commit"', "ref_log", "event"):
        rows = reader.execute(
            f"SELECT DISTINCT change_id FROM {table} WHERE change_id >= ?1"
            " AND change_id < ?1 || 'g' LIMIT 2",
            (text,),
        )
        ids.update(row[0] for row in rows)
    return ids.pop() if len(ids) == 1 else None


def unfinished(reader: sqlite3.Connection, change_id: str) -> dict[str, int]:
    """Return what of a change is still under way: active runs, and inputs that wait."""
    runs = reader.execute(
        f"SELECT count(*) FROM run WHERE change_id = ? AND state IN ({listed(ACTIVE_RUNS)})",
        (change_id,),
    ).fetchone()[0]
    # An input that was dropped under this change and is now due under a later one counts too.
    inputs = reader.execute(
        "SELECT count(*) FROM (SELECT repo_id, path FROM file WHERE change_id = ?1"
        f"  AND state IN ({listed(UNFINISHED_FILES)})"
        # CROSS JOIN: in this order, from the few changes to their files.
        ' UNION SELECT file.repo_id, file.path FROM "commit" CROSS JOIN commit_change ON commit_id ='
        '  "commit".id CROSS JOIN file ON file.repo_id = "commit".repo_id'
        "  AND file.path = commit_change.path AND file.digest = new_digest"
        f'  WHERE "commit".change_id = ?1 AND file.state IN ({listed(UNFINISHED_FILES)}))',
        (change_id,),
    ).fetchone()[0]
    return {"runs": int(runs), "inputs": int(inputs)}


def failures(reader: sqlite3.Connection, change_id: str) -> list[str]:
    """Return what failed for good in a change: trainings without a later success, and inputs."""
    trainings = reader.execute(
        f"SELECT reason FROM run WHERE change_id = ? AND kind = 'train' AND state = '{RunState.FAILED}'"
        " AND NOT EXISTS (SELECT 1 FROM run AS later WHERE later.key = run.key"
        "   AND later.pipeline = run.pipeline AND later.id > run.id) ORDER BY id",
        (change_id,),
    )
    inputs = reader.execute(
        f"SELECT path || ': ' || reason FROM file WHERE change_id = ? AND state = '{FileState.FAILED}'"
        " ORDER BY path LIMIT 100",
        (change_id,),
    )
    return [f"training failed: {row[0]}" for row in trainings] + [row[0] for row in inputs]


def _counts(reader: sqlite3.Connection, table: str, change_id: str) -> dict[str, int]:
    rows = reader.execute(
        f"SELECT state, count(*) FROM {table} WHERE change_id = ? GROUP BY state", (change_id,)
    )
    return {row[0]: row[1] for row in rows}
