"""Read-only questions about files and outputs by name or content.

The companion of `pixd.store.queries.history`, which answers for commits, models and runs. Standard
library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.store.output_names import output_stands_sql
from pixd.store.states import TRANSLATABLE, BytesState, FileState, OutputState, listed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


MODEL_NUMBER: Final = (
    "(SELECT min(number) FROM model WHERE model.digest = output.model_digest"
    " AND model.pipeline = output.pipeline)"
)
"""An expression on the table `output`: the number of the model that made it. Two models may have one
digest; then it is the first."""


class FileRow(NamedTuple):
    """The working row of a file; `digest` is None before it was read."""

    path: str
    state: FileState
    reason: str
    digest: str | None
    attempts: int
    retry_at: str | None
    change_id: str


class LastChange(NamedTuple):
    """The newest commit that touched a path, and what it did to it."""

    kind: str
    seq: int
    old_digest: str | None
    new_digest: str | None
    reason: str

    @property
    def name(self) -> str:
        """The commit's name, as "input@3"."""
        return f"{self.kind}@{self.seq}"


class OutputRow(NamedTuple):
    """An output as it was published."""

    pipeline: str
    path: str
    digest: str
    state: OutputState
    input_path: str
    input_digest: str
    model_digest: str
    run_id: int
    change_id: str
    published_at: str


_OUTPUT = ", ".join(f"output.{column}" for column in OutputRow._fields)


class ObjectRow(NamedTuple):
    """Size and type of a content, and where its bytes are."""

    size_bytes: int
    media_type: str
    created_at: str
    state: BytesState


class Exclusion(NamedTuple):
    """A content that was recalled from a pipeline."""

    pipeline: str
    digest: str
    name: str
    why: str
    change_id: str
    excluded_at: str


class Stamp(NamedTuple):
    """The stamp of a file when it was read."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def repo_id(reader: sqlite3.Connection, pipeline: str, kind: str) -> int | None:
    """Return the id of a repo, or None before its first use."""
    row = reader.execute(
        "SELECT id FROM repo WHERE pipeline = ? AND kind = ?", (pipeline, kind)
    ).fetchone()
    return int(row[0]) if row else None


def file(reader: sqlite3.Connection, pipeline: str, kind: str, path: str) -> FileRow | None:
    """Return the working row of a file."""
    row = reader.execute(
        "SELECT path, state, reason, digest, attempts, retry_at, change_id FROM file"
        " WHERE repo_id = (SELECT id FROM repo WHERE pipeline = ? AND kind = ?) AND path = ?",
        (pipeline, kind, path),
    ).fetchone()
    return FileRow(row[0], FileState.of(row[1]), *row[2:]) if row else None


def last_change(
    reader: sqlite3.Connection, pipeline: str, kind: str, path: str
) -> LastChange | None:
    """Return the newest commit that touched a path."""
    row = reader.execute(
        "SELECT kind, seq, old_digest, new_digest, reason"
        ' FROM commit_change JOIN "commit" ON "commit".id = commit_id'
        " JOIN repo ON repo.id = repo_id WHERE path = ? AND pipeline = ? AND kind = ?"
        " ORDER BY commit_id DESC LIMIT 1",
        (path, pipeline, kind),
    ).fetchone()
    return LastChange(*row) if row else None


def outputs_at(
    reader: sqlite3.Connection, pipeline: str, path: str, limit: int = 2
) -> list[OutputRow]:
    """Return the outputs that ever had a name, newest first."""
    where = "pipeline = ? AND path = ? AND state <> ? ORDER BY id DESC LIMIT ?"
    return _outputs(reader, where, pipeline, path, OutputState.PUBLISHING, limit)


def outputs_of_input(
    reader: sqlite3.Connection, pipeline: str, path: str, limit: int = 2
) -> list[OutputRow]:
    """Return the outputs of an input's name, newest first."""
    where = "pipeline = ? AND input_path = ? AND state <> ? ORDER BY id DESC LIMIT ?"
    return _outputs(reader, where, pipeline, path, OutputState.PUBLISHING, limit)


def digests_starting(reader: sqlite3.Connection, text: str) -> list[str]:
    """Return up to three recorded digests that begin with `text` (``sha256:`` and hex digits)."""
    rows = reader.execute(
        "SELECT digest FROM object WHERE digest >= ?1 AND digest < ?1 || 'g' LIMIT 3", (text,)
    )
    return [row[0] for row in rows]


def settled_digests(reader: sqlite3.Connection, repo: int) -> dict[str, tuple[str, Stamp]]:
    """Return digest and stamp of each file whose stamp can be trusted."""
    rows = reader.execute(
        "SELECT path, digest, size_bytes, mtime_ns, ctime_ns, inode FROM file"
        " WHERE repo_id = ? AND digest IS NOT NULL"
        " AND hashed_at_ns - ctime_ns >= 2000000000",
        (repo,),
    )
    return {row[0]: (row[1], Stamp(*row[2:])) for row in rows}


def object_row(reader: sqlite3.Connection, digest: str) -> ObjectRow | None:
    """Return size, type and whether the bytes are present, trashed or removed."""
    row = reader.execute(
        "SELECT size_bytes, media_type, created_at, state FROM object JOIN object_bytes"
        " USING (digest) WHERE digest = ?",
        (digest,),
    ).fetchone()
    return ObjectRow._make((*row[:3], BytesState.of(row[3]))) if row else None


def outputs_with_digest(reader: sqlite3.Connection, digest: str) -> list[OutputRow]:
    """Return the outputs with these bytes, current ones first."""
    where = "digest = ? AND state <> ? ORDER BY state = ? DESC, id DESC LIMIT 100"
    return _outputs(reader, where, digest, OutputState.PUBLISHING, OutputState.CURRENT)


def outputs_from_input(
    reader: sqlite3.Connection, digest: str
) -> list[tuple[OutputRow, str | None]]:
    """Return the outputs made from an input content, newest first, each with its model's name."""
    rows = reader.execute(
        f"SELECT {_OUTPUT}, 'model@' || {MODEL_NUMBER} FROM output WHERE input_digest = ? AND state <> ? ORDER BY output.id DESC",
        (digest, OutputState.PUBLISHING),
    )
    return [(_output(row), row[-1]) for row in rows]


def _outputs(reader: sqlite3.Connection, where: str, *values: object) -> list[OutputRow]:
    rows = reader.execute(f"SELECT {_OUTPUT} FROM output WHERE {where}", values)
    return [_output(row) for row in rows]


def _output(row: Sequence[Any]) -> OutputRow:
    return OutputRow._make((*row[:3], OutputState.of(row[3]), *row[4:10]))


def outputs_of_model(reader: sqlite3.Connection, pipeline: str, digest: str) -> dict[str, int]:
    """Return how many outputs a model made, by their state now."""
    rows = reader.execute(
        "SELECT state, count(*) FROM output WHERE model_digest = ? AND pipeline = ?"
        f" AND state <> '{OutputState.PUBLISHING}' GROUP BY state",
        (digest, pipeline),
    )
    return {row[0]: row[1] for row in rows}


def outputs_by_model(reader: sqlite3.Connection, pipeline: str, digest: str) -> list[OutputRow]:
    """Return the outputs that a model made, by path; of one path, newest first."""
    where = "model_digest = ? AND pipeline = ? AND state <> ? ORDER BY path, id DESC"
    return _outputs(reader, where, digest, pipeline, OutputState.PUBLISHING)


def exclusions_of(reader: sqlite3.Connection, digest: str) -> list[Exclusion]:
    """Return where a content was recalled."""
    rows = reader.execute(
        "SELECT pipeline, digest, name, why, change_id, excluded_at FROM exclusion"
        " WHERE digest = ?",
        (digest,),
    )
    return [Exclusion(*row) for row in rows]


def recalled_in(reader: sqlite3.Connection, pipeline: str) -> list[str]:
    """Return the contents that were recalled from a pipeline."""
    rows = reader.execute("SELECT DISTINCT digest FROM exclusion WHERE pipeline = ?", (pipeline,))
    return [row[0] for row in rows]


def outputs_of_run(reader: sqlite3.Connection, run_id: int) -> list[int]:
    """Return the rows of what was published from one run's image."""
    rows = reader.execute("SELECT id FROM output WHERE run_id = ?", (run_id,))
    return [row[0] for row in rows]


def outputs_of(reader: sqlite3.Connection, run_id: int) -> list[OutputRow]:
    """Return what was published from one run's image, newest first."""
    where = "run_id = ? AND state <> ? ORDER BY id DESC"
    return _outputs(reader, where, run_id, OutputState.PUBLISHING)


def stamps(reader: sqlite3.Connection, repo: int) -> dict[str, Stamp]:
    """Return the stamp of each known file of a repo."""
    found = reader.execute(
        "SELECT path, size_bytes, mtime_ns, ctime_ns, inode FROM file WHERE repo_id = ?", (repo,)
    )
    return {row[0]: Stamp(*row[1:]) for row in found}


def recorded(reader: sqlite3.Connection, repo: int) -> list[tuple[str, str]]:
    """Return (path, digest) of the files of a training repo whose pairs have no problem."""
    found = reader.execute(
        f"SELECT path, digest FROM file WHERE repo_id = ? AND state = '{FileState.RECORDED}'"
        " AND digest IS NOT NULL ORDER BY path",
        (repo,),
    )
    return [(row[0], row[1]) for row in found]


def digests(reader: sqlite3.Connection, repo: int) -> dict[str, str]:
    """Return the digest of each file of a repo that was read, by its path."""
    found = reader.execute(
        "SELECT path, digest FROM file WHERE repo_id = ? AND digest IS NOT NULL", (repo,)
    )
    return {row[0]: row[1] for row in found}


def translatable(reader: sqlite3.Connection, repo: int) -> int:
    """Return how many inputs have, or wait for, a translation."""
    row = reader.execute(
        "SELECT count(*) FROM file WHERE repo_id = ? AND digest IS NOT NULL"
        f" AND state IN ({listed(TRANSLATABLE)})",
        (repo,),
    ).fetchone()
    return int(row[0])


class Stale(NamedTuple):
    """Inputs that lack an output.

    Attributes:
        inputs: how many.
        made: how many of them need no work: what they lack was made before and is kept.
    """

    inputs: int
    made: int


def stale_inputs(
    reader: sqlite3.Connection, pipeline: str, repo: int, model_digest: str, recipes: Sequence[str]
) -> Stale:
    """Return how many inputs lack an output of this model, a recipe and their present content.

    An output that was edited by hand is none that they lack: it is kept.

    Args:
        reader: the store's database.
        pipeline: whose inputs they are.
        repo: its input folder.
        model_digest: of the model.
        recipes: of the outputs that each input should have, by the number of the sample.
    """
    numbers = range(1, len(recipes) + 1)
    lacks = [
        "NOT "
        + output_stands_sql(
            number, len(recipes), f"output.model_digest = ?3 AND output.recipe = ?{number + 3}"
        )
        for number in numbers
    ]
    # All that was ever made of an input has a row, whatever stands in the folder now.
    kept = [
        "EXISTS (SELECT 1 FROM output JOIN object_bytes USING (digest)"
        "   WHERE output.pipeline = ?2 AND output.input_path = file.path"
        "   AND output.input_digest = file.digest AND output.model_digest = ?3"
        f"   AND output.recipe = ?{number + 3} AND object_bytes.state = '{BytesState.PRESENT}')"
        for number in numbers
    ]
    row = reader.execute(
        f"SELECT count(*), coalesce(sum({' AND '.join(kept)}), 0) FROM file"
        " WHERE repo_id = ?1 AND digest IS NOT NULL"
        f" AND state IN ({listed(TRANSLATABLE)}) AND ({' OR '.join(lacks)})",
        (repo, pipeline, model_digest, *recipes),
    ).fetchone()
    return Stale(*row)


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
