"""Which folder a repo's files were found in, why it is on hold, and which pipelines are paused.

What a person decided, and what was noticed, must outlive a restart: a disk that is missing after
a reboot must not pass for an emptied folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.connection import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from sqlite_utils import Database

    from pixd.system.stamps import RootIdentity


class Root(NamedTuple):
    """The folder that a repo was last found in.

    Attributes:
        path: as config.yaml names it.
        device: number of the file system that it is on.
        inode: its number there; 0 if it was gone before it was ever seen.
        born_ns: when it was made; 0 where the file system does not know.
        is_link: whether `path` itself is a symbolic link.
        hold: why it is on hold, or "".
        is_accepted: whether a person said that it is meant to be as it is.
    """

    path: str
    device: int
    inode: int
    born_ns: int
    is_link: bool
    hold: str
    is_accepted: bool


_ROOT = ", ".join(Root._fields)


class Pause(NamedTuple):
    """Who paused a pipeline, and when."""

    who: str
    paused_at: str


class Holds:
    """The tables `root` and `pause`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def root(self, repo_id: int) -> Root | None:
        """Return what is remembered of a repo's folder, or None before its first scan."""
        row = self._db.conn.execute(
            f"SELECT {_ROOT} FROM root WHERE repo_id = ?",
            (repo_id,),
        ).fetchone()
        if row is None:
            return None
        return _root(row)

    def remember(self, repo_id: int, path: Path, identity: RootIdentity) -> None:
        """Note the folder that a scan believed; what was on hold is so no longer."""
        self._db.execute(
            # Numbers as text: they are unsigned 64 bits wide, SQLite's integers are signed.
            "INSERT INTO root (repo_id, path, device, inode, born_ns, is_link)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (repo_id) DO UPDATE SET path = excluded.path,"
            " device = excluded.device, inode = excluded.inode, born_ns = excluded.born_ns,"
            " is_link = excluded.is_link, hold = '', held_at = NULL",
            (
                repo_id,
                _text(path),
                str(identity.device),
                str(identity.inode),
                identity.born_ns,
                identity.is_link,
            ),
        )

    def hold(self, repo_id: int, path: Path, why: str) -> None:
        """Note that a folder is not believed, and why."""
        self._db.execute(
            # A folder that was never seen has no numbers; the first scan will give it some.
            "INSERT INTO root (repo_id, path, device, inode, born_ns, is_link, hold, held_at)"
            " VALUES (?, ?, '0', '0', 0, 0, ?, ?) ON CONFLICT (repo_id) DO UPDATE SET"
            " hold = excluded.hold, held_at = coalesce(held_at, excluded.held_at)",
            (repo_id, _text(path), why, utc_now()),
        )

    def accept(self, repo_id: int) -> None:
        """Note that the folder is meant to be as the next scan finds it."""
        self._db.execute("UPDATE root SET is_accepted = 1 WHERE repo_id = ?", (repo_id,))

    def use_up_acceptance(self, repo_id: int) -> None:
        """Note that what was accepted has been recorded."""
        self._db.execute("UPDATE root SET is_accepted = 0 WHERE repo_id = ?", (repo_id,))

    def pause(self, pipeline: str, who: str) -> bool:
        """Pause a pipeline; tells whether it was not paused before."""
        with transaction(self._db):
            is_new = self.paused(pipeline) is None
            self._db.conn.execute(
                "INSERT INTO pause VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (pipeline, who, utc_now()),
            )
        return is_new

    def resume(self, pipeline: str) -> bool:
        """Let a pipeline go on; tells whether it was paused."""
        cursor = self._db.conn.execute("DELETE FROM pause WHERE pipeline = ?", (pipeline,))
        return cursor.rowcount > 0

    def paused(self, pipeline: str) -> Pause | None:
        """Return who paused a pipeline, or None if it is not paused."""
        return pause_of(self._db.conn, pipeline)


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
    """Return what is remembered of the folders of a pipeline, by kind."""
    rows = reader.execute(
        f"SELECT kind, {_ROOT} FROM root JOIN repo ON repo.id = repo_id WHERE pipeline = ?",
        (pipeline,),
    )
    return {row[0]: _root(row[1:]) for row in rows}


def _root(row: Sequence[Any]) -> Root:
    return Root(row[0], int(row[1]), int(row[2]), row[3], bool(row[4]), row[5], bool(row[6]))


def _text(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()
