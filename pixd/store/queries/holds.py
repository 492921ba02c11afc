"""Which folders are on hold, what is remembered of them, and which pipelines are paused.

`pixd.store.holds` writes what is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path


class Root(NamedTuple):
    """The folder that a repo was last found in.

    Attributes:
        path: as config.yaml names it.
        device: number of the file system that it is on.
        inode: its number there; 0 if it was gone before it was ever seen.
        born_ns: when it was made; 0 where the file system does not know.
        is_link: whether `path` itself is a symbolic link.
        hold: why it is on hold, or "".
        is_accepted: whether a person accepted it as it is.
    """

    path: str
    device: int
    inode: int
    born_ns: int
    is_link: bool
    hold: str
    is_accepted: bool


ROOT_COLUMNS = ", ".join(Root._fields)


class Pause(NamedTuple):
    """Who paused a pipeline, and when."""

    who: str
    paused_at: str


def pause_of(reader: sqlite3.Connection, pipeline: str) -> Pause | None:
    """Return who paused a pipeline and when, or None if it is not paused."""
    row = reader.execute(
        "SELECT who, paused_at FROM pause WHERE pipeline = ?", (pipeline,)
    ).fetchone()
    return Pause(row[0], row[1]) if row else None


def held_roots(reader: sqlite3.Connection, pipeline: str) -> dict[str, str]:
    """Return why the folders of a pipeline are on hold, by kind; those that are not are left out."""
    rows = reader.execute(
        "SELECT kind, hold FROM root JOIN repo ON repo.id = repo_id"
        " WHERE pipeline = ? AND hold <> ''",
        (pipeline,),
    )
    return {row[0]: row[1] for row in rows}


def roots(reader: sqlite3.Connection, pipeline: str) -> dict[str, Root]:
    """Return what is recorded of the folders of a pipeline, by kind."""
    rows = reader.execute(
        f"SELECT kind, {ROOT_COLUMNS} FROM root JOIN repo ON repo.id = repo_id WHERE pipeline = ?",
        (pipeline,),
    )
    return {row[0]: root_of(row[1:]) for row in rows}


def root_of(row: Sequence[Any]) -> Root:
    """Return a row of `ROOT_COLUMNS` as a `Root`."""
    return Root(row[0], int(row[1]), int(row[2]), row[3], bool(row[4]), row[5], bool(row[6]))


def root_text(path: Path) -> str:
    """Return how the record writes the path of a folder."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def named_before(reader: sqlite3.Connection, pipeline: str, training: Path) -> str:
    """Return which other name the history of a training folder has; "" where it has none.

    A pipeline that has a history of its own goes on with that.

    Args:
        reader: the store's database.
        pipeline: the name that config.yaml has for the folder now.
        training: the folder, as config.yaml names it.
    """
    row = reader.execute(
        'SELECT pipeline FROM root JOIN repo ON repo.id = repo_id JOIN "commit" AS c USING (repo_id)'
        " WHERE kind = 'training' AND path = ?2 AND pipeline <> ?1 AND NOT EXISTS (SELECT 1 FROM"
        " repo JOIN \"commit\" ON repo_id = repo.id WHERE pipeline = ?1 AND kind = 'training')"
        " ORDER BY c.id DESC LIMIT 1",
        (pipeline, root_text(training)),
    ).fetchone()
    return str(row[0]) if row else ""


def say_renamed(pipeline: str, before: str) -> str:
    """Say that a pipeline begins anew because of its name, and what keeps its history."""
    return (
        f"it has the folders of {before}, whose history and models have that name, and begins anew;"
        f" to keep them, name it {before} again in config.yaml instead of {pipeline}"
    )
