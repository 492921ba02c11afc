"""Read-only questions about files and outputs by name or content.

The companion of `pixd.store.queries.history`, which answers for commits, models and runs. Standard
library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.store.queries.history import mappings

if TYPE_CHECKING:
    import sqlite3


def repo_id(reader: sqlite3.Connection, pipeline: str, kind: str) -> int | None:
    """Return the id of a repo, or None before its first use."""
    row = reader.execute(
        "SELECT id FROM repo WHERE pipeline = ? AND kind = ?", (pipeline, kind)
    ).fetchone()
    return int(row[0]) if row else None


def file(reader: sqlite3.Connection, pipeline: str, kind: str, path: str) -> dict[str, Any] | None:
    """Return the working row of a file."""
    row = reader.execute(
        "SELECT file.* FROM file WHERE repo_id = (SELECT id FROM repo WHERE pipeline = ?"
        " AND kind = ?) AND path = ?",
        (pipeline, kind, path),
    ).fetchone()
    return dict(row) if row else None


def last_change(
    reader: sqlite3.Connection, pipeline: str, kind: str, path: str
) -> dict[str, Any] | None:
    """Return the newest commit that touched a path: name, digests, reason."""
    row = reader.execute(
        'SELECT seq, old_digest, new_digest, reason, committed_at, "commit".change_id'
        ' FROM commit_change JOIN "commit" ON "commit".id = commit_id'
        " JOIN repo ON repo.id = repo_id WHERE path = ? AND pipeline = ? AND kind = ?"
        " ORDER BY commit_id DESC LIMIT 1",
        (path, pipeline, kind),
    ).fetchone()
    return {"name": f"{kind}@{row['seq']}", **dict(row)} if row else None


def outputs_at(
    reader: sqlite3.Connection, pipeline: str, path: str, limit: int = 2
) -> list[dict[str, Any]]:
    """Return what stood under an output's name, newest first."""
    return mappings(
        reader,
        "SELECT * FROM output WHERE pipeline = ? AND path = ? AND state <> 'publishing'"
        " ORDER BY id DESC LIMIT ?",
        pipeline, path, limit,
    )  # fmt: skip


def outputs_of_input(
    reader: sqlite3.Connection, pipeline: str, path: str, limit: int = 2
) -> list[dict[str, Any]]:
    """Return the outputs of an input's name, newest first."""
    return mappings(
        reader,
        "SELECT * FROM output WHERE pipeline = ? AND input_path = ? AND state <> 'publishing'"
        " ORDER BY id DESC LIMIT ?",
        pipeline, path, limit,
    )  # fmt: skip


def digests_starting(reader: sqlite3.Connection, text: str) -> list[str]:
    """Return up to three recorded digests that begin with `text` (``sha256:`` and hex digits)."""
    rows = reader.execute(
        "SELECT digest FROM object WHERE digest >= ?1 AND digest < ?1 || 'g' LIMIT 3", (text,)
    )
    return [row[0] for row in rows]


def settled_digests(reader: sqlite3.Connection, repo: int) -> dict[str, tuple[Any, ...]]:
    """Return (digest, size, mtime_ns, ctime_ns, inode) of each file whose stamp can be trusted."""
    rows = reader.execute(
        "SELECT path, digest, size_bytes, mtime_ns, ctime_ns, inode FROM file"
        " WHERE repo_id = ? AND digest IS NOT NULL"
        " AND hashed_at_ns - ctime_ns >= 2000000000",
        (repo,),
    )
    return {row[0]: tuple(row)[1:] for row in rows}


def object_row(reader: sqlite3.Connection, digest: str) -> dict[str, Any] | None:
    """Return size, type and whether the bytes are present, trashed or removed."""
    row = reader.execute(
        "SELECT size_bytes, media_type, created_at, state FROM object JOIN object_bytes"
        " USING (digest) WHERE digest = ?",
        (digest,),
    ).fetchone()
    return dict(row) if row else None


def outputs_with_digest(reader: sqlite3.Connection, digest: str) -> list[dict[str, Any]]:
    """Return the outputs with these bytes, standing ones first."""
    return mappings(
        reader,
        "SELECT * FROM output WHERE digest = ? AND state <> 'publishing'"
        " ORDER BY state = 'current' DESC, id DESC LIMIT 100",
        digest,
    )


def outputs_from_input(reader: sqlite3.Connection, digest: str) -> list[dict[str, Any]]:
    """Return the outputs made from an input content, newest first."""
    return mappings(
        reader,
        "SELECT output.*, 'model@' || model.number AS model_name FROM output"
        " LEFT JOIN model ON model.digest = output.model_digest AND model.pipeline = output.pipeline"
        " WHERE input_digest = ? AND state <> 'publishing' ORDER BY output.id DESC",
        digest,
    )


def outputs_of_model(reader: sqlite3.Connection, pipeline: str, digest: str) -> dict[str, int]:
    """Return how many outputs a model made, by their state now."""
    rows = reader.execute(
        "SELECT state, count(*) FROM output WHERE model_digest = ? AND pipeline = ?"
        " AND state <> 'publishing' GROUP BY state",
        (digest, pipeline),
    )
    return {row[0]: row[1] for row in rows}


def exclusions_of(reader: sqlite3.Connection, digest: str) -> list[dict[str, Any]]:
    """Return where a content was recalled."""
    return mappings(reader, "SELECT * FROM exclusion WHERE digest = ?", digest)


def recalled_in(reader: sqlite3.Connection, pipeline: str) -> list[str]:
    """Return the contents that were recalled from a pipeline."""
    rows = reader.execute("SELECT digest FROM exclusion WHERE pipeline = ?", (pipeline,))
    return [row[0] for row in rows]


def outputs_of_run(reader: sqlite3.Connection, run_id: int) -> list[int]:
    """Return the rows of what was published from one run's image."""
    rows = reader.execute("SELECT id FROM output WHERE run_id = ?", (run_id,))
    return [row[0] for row in rows]


def stamps(reader: sqlite3.Connection, repo: int) -> dict[str, tuple[int, int, int, int]]:
    """Return (size, mtime_ns, ctime_ns, inode) of each known file of a repo."""
    found = reader.execute(
        "SELECT path, size_bytes, mtime_ns, ctime_ns, inode FROM file WHERE repo_id = ?", (repo,)
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in found}


def recorded(reader: sqlite3.Connection, repo: int) -> list[tuple[str, str]]:
    """Return (path, digest) of the files of a training repo that are no pair's trouble."""
    found = reader.execute(
        "SELECT path, digest FROM file WHERE repo_id = ? AND state = 'recorded'"
        " AND digest IS NOT NULL ORDER BY path",
        (repo,),
    )
    return [(row[0], row[1]) for row in found]


def translatable(reader: sqlite3.Connection, repo: int) -> int:
    """Return how many inputs have, or wait for, a translation."""
    row = reader.execute(
        "SELECT count(*) FROM file WHERE repo_id = ? AND digest IS NOT NULL"
        " AND state IN ('queued', 'translated', 'failed')",
        (repo,),
    ).fetchone()
    return int(row[0])


def stale_inputs(
    reader: sqlite3.Connection, pipeline: str, repo: int, model_digest: str, recipe: str
) -> int:
    """Return how many inputs have no output of this model, recipe and their present content."""
    row = reader.execute(
        "SELECT count(*) FROM file WHERE repo_id = ?1 AND digest IS NOT NULL"
        " AND state IN ('queued', 'translated', 'failed')"
        " AND NOT EXISTS (SELECT 1 FROM output WHERE output.pipeline = ?2"
        "   AND output.input_path = file.path AND output.input_digest = file.digest"
        "   AND output.model_digest = ?3 AND output.recipe = ?4"
        "   AND output.state IN ('current', 'edited'))",
        (repo, pipeline, model_digest, recipe),
    ).fetchone()
    return int(row[0])


def unread(reader: sqlite3.Connection, repo: int, but_for: str) -> dict[str, str]:
    """Return the files of a repo that could not even be read, by name, with the reason.

    Links, sockets and files over the limit, for example.

    Args:
        reader: the store's database.
        repo: the repo.
        but_for: a reason of files to leave out.
    """
    rows = reader.execute(
        "SELECT path, reason FROM file WHERE repo_id = ? AND state = 'rejected'"
        " AND digest IS NULL AND reason <> ?",
        (repo, but_for),
    )
    return {str(row[0]): str(row[1]) for row in rows}
