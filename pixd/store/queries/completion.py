"""The names that a person can type, for completion: the newest first, up to a limit.

Read-only, standard library only: a shell waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

Named = tuple[str, str]
"""A name, and words by which a person recognises the thing."""


def commits(reader: sqlite3.Connection, pipeline: str, kind: str, limit: int) -> Iterator[Named]:
    """Yield the commits of a repo."""
    rows = reader.execute(
        'SELECT seq, reason, committed_at FROM "commit" WHERE repo_id ='
        " (SELECT id FROM repo WHERE pipeline = ? AND kind = ?) ORDER BY seq DESC LIMIT ?",
        (pipeline, kind, limit),
    )
    return ((f"{kind}@{seq}", f"{_day(at)} {reason}") for seq, reason, at in rows)


def models(reader: sqlite3.Connection, pipeline: str, limit: int) -> Iterator[Named]:
    """Yield the models of a pipeline."""
    rows = reader.execute(
        "SELECT number, commit_seq, created_at, ref.model_id IS NOT NULL FROM model"
        " LEFT JOIN ref ON ref.model_id = model.id AND ref.name = 'live'"
        " WHERE model.pipeline = ? ORDER BY number DESC LIMIT ?",
        (pipeline, limit),
    )
    for number, commit, at, is_live in rows:
        yield f"model@{number}", f"{_day(at)} of training@{commit}{', live' if is_live else ''}"


def runs(reader: sqlite3.Connection, pipeline: str, limit: int) -> Iterator[Named]:
    """Yield the runs of a pipeline."""
    # One short walk along run_by_kind for each kind; trainings are few among many translations.
    for kind in ("train", "export", "translate"):
        rows = reader.execute(
            "SELECT id, state, reason FROM run WHERE pipeline = ? AND kind = ?"
            " ORDER BY id DESC LIMIT ?",
            (pipeline, kind, limit),
        )
        yield from ((f"run@{id_}", f"{kind} {state}: {why}") for id_, state, why in rows)


def changes(reader: sqlite3.Connection, limit: int) -> Iterator[Named]:
    """Yield the changes that led to a commit, of all pipelines."""
    rows = reader.execute(
        "SELECT change_id, repo.pipeline || ' ' || repo.kind || '@' || seq || ' ' || reason"
        ' FROM "commit" JOIN repo ON repo.id = repo_id ORDER BY "commit".id DESC LIMIT ?',
        (limit,),
    )
    return iter(dict(rows.fetchall()).items())


def batches(reader: sqlite3.Connection, limit: int) -> Iterator[Named]:
    """Yield what went to the trash together."""
    rows = reader.execute(
        "SELECT batch, count(*) || ' objects' FROM trash GROUP BY batch"
        " ORDER BY max(trashed_at) DESC LIMIT ?",
        (limit,),
    )
    return ((batch, about) for batch, about in rows)


def _day(at: str) -> str:
    return at[:16].replace("T", " ")
