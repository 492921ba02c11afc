"""Which folder a repo's files were found in, why it is on hold, and which pipelines are paused.

This must survive a restart: otherwise a disk that is missing after a reboot would look like an
emptied folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries.holds import ROOT_COLUMNS, Pause, Root, pause_of, root_of, root_text
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from sqlite_utils import Database

    from pixd.system.stamps import RootIdentity


class Holds:
    """The tables `root` and `pause`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def root(self, repo_id: int) -> Root | None:
        """Return what is remembered of a repo's folder, or None before its first scan."""
        row = self._db.conn.execute(
            f"SELECT {ROOT_COLUMNS} FROM root WHERE repo_id = ?",
            (repo_id,),
        ).fetchone()
        if row is None:
            return None
        return root_of(row)

    def remember(self, repo_id: int, path: Path, identity: RootIdentity) -> None:
        """Record the folder that a scan accepted; this ends a hold."""
        self._db.execute(
            # Numbers are kept as text: they are unsigned with 64 bits, and SQLite's are signed.
            "INSERT INTO root (repo_id, path, device, inode, born_ns, is_link)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (repo_id) DO UPDATE SET path = excluded.path,"
            " device = excluded.device, inode = excluded.inode, born_ns = excluded.born_ns,"
            " is_link = excluded.is_link, hold = '', held_at = NULL",
            (
                repo_id,
                root_text(path),
                str(identity.device),
                str(identity.inode),
                identity.born_ns,
                identity.is_link,
            ),
        )

    def hold(self, repo_id: int, path: Path, why: str) -> None:
        """Put a folder on hold, with the reason."""
        self._db.execute(
            # A folder that was never seen has no numbers yet; the first scan writes them.
            "INSERT INTO root (repo_id, path, device, inode, born_ns, is_link, hold, held_at)"
            " VALUES (?, ?, '0', '0', 0, 0, ?, ?) ON CONFLICT (repo_id) DO UPDATE SET"
            " hold = excluded.hold, held_at = coalesce(held_at, excluded.held_at)",
            (repo_id, root_text(path), why, utc_now()),
        )

    def accept(self, repo_id: int) -> None:
        """Record that a person accepts the folder as the next scan finds it."""
        self._db.execute("UPDATE root SET is_accepted = 1 WHERE repo_id = ?", (repo_id,))

    def use_up_acceptance(self, repo_id: int) -> None:
        """End the acceptance, because the folder that it was for is recorded."""
        self._db.execute("UPDATE root SET is_accepted = 0 WHERE repo_id = ?", (repo_id,))

    def pause(self, pipeline: str, who: str) -> bool:
        """Pause a pipeline; return whether it was not paused before."""
        with transaction(self._db):
            is_new = self.paused(pipeline) is None
            self._db.conn.execute(
                "INSERT INTO pause VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (pipeline, who, utc_now()),
            )
        return is_new

    def resume(self, pipeline: str) -> bool:
        """Resume a pipeline; return whether it was paused."""
        cursor = self._db.conn.execute("DELETE FROM pause WHERE pipeline = ?", (pipeline,))
        return cursor.rowcount > 0

    def paused(self, pipeline: str) -> Pause | None:
        """Return who paused a pipeline, or None if it is not paused."""
        return pause_of(self._db.conn, pipeline)
