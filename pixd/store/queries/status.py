"""What `pixd status` reads from the store. All numbers are of the same moment.

Standard library only. The cost of each query does not depend on the size of the store.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import connection
from pixd.store.states import BytesState, FileState, OutputState, RunState
from pixd.system.errors import CannotTellError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


class Repo(NamedTuple):
    """A watched folder, as the store has it.

    Attributes:
        repo_id: number of its row; 0 before its first use.
        commit: number of its newest commit; 0 before the first.
        version: what its files were at that commit.
        states: how many of its files are in which state.
        unreadable: how many of its files cannot be read now.
    """

    repo_id: int = 0
    commit: int = 0
    version: str | None = None
    states: Mapping[FileState, int] = {}
    unreadable: int = 0

    def count(self, state: FileState) -> int:
        """Return how many of its files are in a state."""
        return self.states.get(state, 0)


class Training(NamedTuple):
    """The newest training run of a pipeline; `run_id` is None where there is none."""

    run_id: int | None = None
    state: RunState | None = None
    reason: str = ""
    progress: Mapping[str, Any] = {}


class LiveModel(NamedTuple):
    """The model that translates now."""

    number: int
    digest: str
    commit_seq: int
    version: str
    metrics: Mapping[str, Any]
    is_pinned: bool
    live_since: str
    steps: int
    early_of: int


class FailedInput(NamedTuple):
    """An input that failed, and why."""

    name: str
    reason: str


class Trouble(NamedTuple):
    """A warning or an error among the events."""

    at: str
    pipeline: str
    level: str
    message: str
    kind: str


@contextlib.contextmanager
def open_snapshot(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the store so that all answers are of one moment; None where there never was one.

    Raises:
        CannotTellError: the store is there and cannot be read. Errors of SQLite and unknown
            states that the block meets become this too.
    """
    if not (connection.has_database(folder) or connection.what_outlived_database(folder)):
        yield None
        return
    reader = connection.open_reader(folder)
    try:
        reader.execute("BEGIN")
        yield reader
    except sqlite3.Error as error:
        raise CannotTellError(
            f"the store {folder} cannot be read: {error}",
            advice="`pixd verify` names what is damaged",
        ) from error
    except StoreError as error:
        raise CannotTellError(error.message, advice=error.advice) from error
    finally:
        reader.close()


def repo(reader: sqlite3.Connection, pipeline: str, kind: str) -> Repo:
    """Return what the store has of a watched folder."""
    row = reader.execute(
        "SELECT id FROM repo WHERE pipeline = ? AND kind = ?", (pipeline, kind)
    ).fetchone()
    if row is None:
        return Repo()
    head = reader.execute(
        'SELECT seq, version FROM "commit" WHERE repo_id = ? ORDER BY seq DESC LIMIT 1', (row[0],)
    ).fetchone()
    states = {
        FileState.of(state): count
        for state, count in reader.execute(
            "SELECT state, files FROM file_total WHERE repo_id = ? AND files <> 0", (row[0],)
        )
    }
    return Repo(
        row[0],
        head[0] if head else 0,
        head[1] if head else None,
        states,
        _unreadable(reader, row[0]) if states.get(FileState.SETTLING) else 0,
    )


def _unreadable(reader: sqlite3.Connection, repo_id: int) -> int:
    row = reader.execute(
        # SQLite uses the index file_unreadable only for a literal state.
        f"SELECT count(*) FROM file WHERE repo_id = ? AND state = '{FileState.SETTLING}' AND reason <> ''",
        (repo_id,),
    ).fetchone()
    return int(row[0])


def failed_input(reader: sqlite3.Connection, repo_id: int) -> FailedInput | None:
    """Return the first input, by name, that failed."""
    row = reader.execute(
        "SELECT path, reason FROM file WHERE repo_id = ? AND state = ? ORDER BY path LIMIT 1",
        (repo_id, FileState.FAILED),
    ).fetchone()
    return FailedInput(*row) if row else None


def outputs(reader: sqlite3.Connection, pipeline: str) -> dict[OutputState, int]:
    """Return how many outputs of a pipeline are in which state."""
    rows = reader.execute("SELECT state, outputs FROM output_total WHERE pipeline = ?", (pipeline,))
    return {OutputState.of(state): count for state, count in rows}


def last_training(reader: sqlite3.Connection, pipeline: str) -> Training:
    """Return the newest training run of a pipeline."""
    row = reader.execute(
        "SELECT id, state, reason, progress FROM run WHERE pipeline = ? AND kind = 'train'"
        " ORDER BY id DESC LIMIT 1",
        (pipeline,),
    ).fetchone()
    if row is None:
        return Training()
    return Training(row[0], RunState.of(row[1]), row[2], json.loads(row[3] or "{}"))


def live_model(reader: sqlite3.Connection, pipeline: str) -> LiveModel | None:
    """Return the model that translates now."""
    row = reader.execute(
        "SELECT model.number, model.digest, model.commit_seq, model.version, model.metrics,"
        " ref.is_pinned, ref.changed_at, model.steps, model.early_of FROM ref JOIN model ON model.id = ref.model_id"
        " WHERE ref.pipeline = ? AND ref.name = 'live'",
        (pipeline,),
    ).fetchone()
    if row is None:
        return None
    return LiveModel._make((*row[:4], json.loads(row[4]), bool(row[5]), *row[6:]))


def outputs_behind(reader: sqlite3.Connection, pipeline: str, model_digest: str) -> int:
    """Return how many current outputs are of another model than this one."""
    row = reader.execute(
        "SELECT count(*) FROM output INDEXED BY output_by_state WHERE pipeline = ?"
        f" AND state = '{OutputState.CURRENT}' AND model_digest <> ?",
        (pipeline, model_digest),
    ).fetchone()
    return int(row[0])


def troubles(
    reader: sqlite3.Connection,
    pipelines: Iterable[str],
    limit: int,
    levels: tuple[str, ...] = ("warning", "error"),
) -> list[Trouble]:
    """Return the newest warnings and errors of some pipelines, newest first."""
    # One short walk along the index for each, however many events there are.
    rows = [
        row
        for pipeline in pipelines
        for level in levels
        for row in reader.execute(
            "SELECT id, at, pipeline, level, message, kind FROM event WHERE pipeline = ? AND level = ?"
            " ORDER BY id DESC LIMIT ?",
            (pipeline, level, limit),
        )
    ]
    rows.sort(key=lambda row: int(row[0]), reverse=True)
    return [Trouble(*row[1:]) for row in rows[:limit]]


def kept_bytes(reader: sqlite3.Connection) -> int:
    """Return the size of all objects whose bytes are on disk, those in the trash too."""
    row = reader.execute(
        f"SELECT coalesce(sum(bytes), 0) FROM object_total WHERE state <> '{BytesState.REMOVED}'"
    ).fetchone()
    return int(row[0])
