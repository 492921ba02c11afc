"""What a page shows of a store: lists of outputs and files in parts, and which pictures may be seen.

Standard library only. The cost of the first part of a list does not depend on its length. What a
person recalled is never shown, nor what was withdrawn because of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.queries.files import MODEL_NUMBER
from pixd.store.states import BytesState, FileState, OutputState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

SHOWN = (OutputState.CURRENT, OutputState.EDITED)
_AT_ONCE = 500  # values of one query


class FilesWanted(NamedTuple):
    """Which files of a pipeline's folders are wanted.

    Attributes:
        kind: of the folder, "training" or "input".
        state: theirs; None for any.
        name: a part of their name; "" for all.
        exact: their whole names; empty for all.
    """

    kind: str
    state: FileState | None
    name: str
    exact: tuple[str, ...] = ()


class OutputsWanted(NamedTuple):
    """Which outputs are wanted.

    Attributes:
        states: in these states.
        model: of the model of this number; None for all.
        name: whose name holds this text; "" for all.
    """

    states: tuple[OutputState, ...] = SHOWN
    model: int | None = None
    name: str = ""


def outputs(
    reader: sqlite3.Connection, pipeline: str, wanted: OutputsWanted, start: int, count: int
) -> list[dict[str, Any]]:
    """Return outputs newest first, each with the number of its model."""
    where, values = _of(pipeline, wanted)
    rows = reader.execute(
        "SELECT output.id, output.path AS name, output.state, output.published_at, input_path,"
        " input_digest, model_digest, change_id, run_id, output.digest,"
        f" {MODEL_NUMBER} AS model"
        f" FROM output WHERE {where} ORDER BY output.id DESC LIMIT ? OFFSET ?",
        (*values, count, start),
    )
    return [dict(row) for row in rows]


def outputs_total(reader: sqlite3.Connection, pipeline: str, wanted: OutputsWanted) -> int:
    """Return how many outputs are wanted; without a filter that is not counted row by row."""
    if wanted.model is None and not wanted.name:
        marks = ", ".join("?" for _ in wanted.states)
        row = reader.execute(
            "SELECT coalesce(sum(outputs), 0) FROM output_total WHERE pipeline = ?"
            f" AND state IN ({marks})",
            (pipeline, *wanted.states),
        ).fetchone()
    else:
        where, values = _of(pipeline, wanted)
        row = reader.execute(f"SELECT count(*) FROM output WHERE {where}", values).fetchone()
    return int(row[0])


def outputs_of_change(reader: sqlite3.Connection, change_id: str) -> list[dict[str, Any]]:
    """Return what was published under a change, newest first, at most 500."""
    rows = reader.execute(
        "SELECT output.id, output.pipeline, output.path AS name, output.state,"
        " output.published_at, input_path, input_digest, model_digest, change_id, run_id,"
        f" output.digest, {MODEL_NUMBER} AS model"
        f" FROM output WHERE change_id = ? AND state <> '{OutputState.PUBLISHING}'"
        f" ORDER BY output.id DESC LIMIT {_AT_ONCE}",
        (change_id,),
    )
    return [dict(row) for row in rows]


def version(reader: sqlite3.Connection, pipeline: str) -> dict[str, str]:
    """Return texts that differ when the lists of a pipeline do.

    "files" goes by the states of all files too, "training" by the versions of the training folder
    alone: while inputs are translated, the first differs all the time.
    """
    counts = reader.execute(
        "SELECT state, outputs FROM output_total WHERE pipeline = ? ORDER BY state", (pipeline,)
    ).fetchall()
    newest = reader.execute(
        "SELECT max(id) FROM output INDEXED BY output_by_state WHERE pipeline = ?"
        f" AND state IN ('{OutputState.CURRENT}', '{OutputState.SUPERSEDED}')",
        (pipeline,),
    ).fetchone()[0]
    files = reader.execute(
        "SELECT kind, state, files FROM file_total JOIN repo ON repo.id = repo_id"
        " WHERE pipeline = ? ORDER BY kind, state",
        (pipeline,),
    ).fetchall()
    commits = {
        str(kind): int(seq or 0)
        for kind, seq in reader.execute(
            'SELECT kind, (SELECT max(seq) FROM "commit" WHERE repo_id = repo.id) FROM repo'
            " WHERE pipeline = ? ORDER BY kind",
            (pipeline,),
        )
    }
    models = reader.execute(
        "SELECT max(number), (SELECT group_concat(model_id || '.' || is_pinned) FROM ref"
        "   WHERE ref.pipeline = ?1) FROM model WHERE pipeline = ?1",
        (pipeline,),
    ).fetchone()
    return {
        "outputs": "-".join([str(newest or 0), *(f"{state[:2]}{n}" for state, n in counts)]),
        "files": "-".join(
            [*map(str, commits.values()), *(f"{kind[0]}{state[:2]}{n}" for kind, state, n in files)]
        ),
        "training": str(commits.get("training", 0)),
        "models": f"{models[0] or 0}-{models[1] or ''}",
    }


def files(
    reader: sqlite3.Connection, pipeline: str, wanted: FilesWanted, start: int, count: int
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many files of a folder are wanted, and a part of them by name."""
    where = "repo_id = (SELECT id FROM repo WHERE pipeline = ? AND kind = ?)"
    values: list[object] = [pipeline, wanted.kind]
    if wanted.state is not None:
        where += " AND state = ?"
        values.append(wanted.state)
    if wanted.name:
        where += " AND path LIKE ? ESCAPE '\\'"
        values.append(_holds(wanted.name))
    if wanted.exact:
        where += f" AND path IN ({', '.join('?' for _ in wanted.exact)})"
        values += wanted.exact
    total = reader.execute(f"SELECT count(*) FROM file WHERE {where}", values).fetchone()[0]
    rows = reader.execute(
        "SELECT path AS name, state, reason, digest, size_bytes AS bytes, attempts, retry_at,"
        f" change_id AS change FROM file WHERE {where} ORDER BY path LIMIT ? OFFSET ?",
        (*values, count, start),
    )
    return int(total), [dict(row) for row in rows]


def may_be_shown(reader: sqlite3.Connection, digests: Collection[str]) -> set[str]:
    """Return those contents that are kept, that nobody recalled, and that were not withdrawn."""
    wanted = sorted(set(digests))
    found: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" for _ in part)
        rows = reader.execute(
            f"SELECT digest FROM object_bytes WHERE digest IN ({marks})"
            f" AND state = '{BytesState.PRESENT}'"
            " AND NOT EXISTS (SELECT 1 FROM exclusion WHERE exclusion.digest = object_bytes.digest)"
            " AND NOT EXISTS (SELECT 1 FROM output INDEXED BY output_by_digest"
            f"   WHERE output.digest = object_bytes.digest AND state = '{OutputState.WITHDRAWN}')",
            part,
        )
        found.update(row[0] for row in rows)
    return found


def is_known(reader: sqlite3.Connection, digest: str) -> bool:
    """Tell whether a content was ever recorded."""
    return reader.execute("SELECT 1 FROM object WHERE digest = ?", (digest,)).fetchone() is not None


def is_picture(reader: sqlite3.Connection, digest: str) -> bool:
    """Tell whether a content is a file of a folder, an output, or a sheet of samples.

    The store keeps weights, manifests and records as objects too; they are no pictures.
    """
    row = reader.execute(
        "SELECT EXISTS (SELECT 1 FROM file WHERE digest = ?1)"
        " OR EXISTS (SELECT 1 FROM output WHERE digest = ?1)"
        " OR EXISTS (SELECT 1 FROM output WHERE input_digest = ?1)"
        " OR EXISTS (SELECT 1 FROM commit_change WHERE new_digest = ?1)"
        " OR EXISTS (SELECT 1 FROM run_output WHERE digest = ?1 AND role = 'samples')",
        (digest,),
    ).fetchone()
    return bool(row[0])


def input_of(reader: sqlite3.Connection, digest: str) -> str:
    """Return a pipeline whose input folder has or had a content; "" where none has."""
    row = reader.execute(
        'SELECT repo.pipeline FROM commit_change JOIN "commit" ON "commit".id = commit_id'
        " JOIN repo ON repo.id = repo_id WHERE new_digest = ? AND repo.kind = 'input' LIMIT 1",
        (digest,),
    ).fetchone()
    return str(row[0]) if row else ""


def name_of(reader: sqlite3.Connection, digest: str) -> str:
    """Return a name that a content had last, without folders; "" where it had none."""
    for table, column in (("output", "path"), ("file", "path")):
        row = reader.execute(
            f"SELECT {column} FROM {table} WHERE digest = ? ORDER BY {column} LIMIT 1", (digest,)
        ).fetchone()
        if row:
            return str(row[0]).rpartition("/")[2]
    return ""


def _of(pipeline: str, wanted: OutputsWanted) -> tuple[str, list[object]]:
    marks = ", ".join("?" for _ in wanted.states)
    where = f"output.pipeline = ? AND output.state IN ({marks})"
    values: list[object] = [pipeline, *wanted.states]
    if wanted.model is not None:
        where += " AND output.model_digest IN (SELECT digest FROM model WHERE pipeline = ?"
        where += " AND number = ?)"
        values += [pipeline, wanted.model]
    if wanted.name:
        where += " AND output.path LIKE ? ESCAPE '\\'"
        values.append(_holds(wanted.name))
    return where, values


def _holds(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"
