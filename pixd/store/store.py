"""An open store for its one writer: lock, database, objects, and the tables by subject."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixd.store import connection, last_check, lock, place, writer
from pixd.store.commits import History
from pixd.store.events import Event, Level
from pixd.store.exclusions import Exclusions
from pixd.store.files import WorkingFiles
from pixd.store.heartbeat import read_heights
from pixd.store.holds import Holds
from pixd.store.models import Models
from pixd.store.objects import ObjectStore
from pixd.store.outputs import Outputs
from pixd.store.removals import Removals
from pixd.store.retraining import Retraining
from pixd.store.runs import Runs
from pixd.store.sweeps import Sweeps
from pixd.store.training_set import Care
from pixd.store.transaction import apart, is_in_transaction, transaction
from pixd.system import durable
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlite_utils import Database

    from pixd.store.commits import Change, Commit
    from pixd.store.objects import StoredObject


STANDING = ("canary", "checkpoints", "logs", "models", "previews", "scratch", "tensorboard")
"""The folders that every store has."""


class Store:
    """Everything that may be written, under one lock until it is closed."""

    def __init__(self, folder: Path, *, may_make: bool = True) -> None:
        """Lock, open and migrate the store in `folder`, making it at first use.

        Most callers want `pixd.store.opening.open_store`, which also finishes what a crash cut off.

        Args:
            folder: the store's.
            may_make: whether a store may be made where none is.

        Raises:
            StoreBusyError: another process holds it.
            StoreError: it is damaged or newer than this pixd.
            StoreGoneError: none is there, and none may be made.
        """
        if may_make:
            folder.mkdir(parents=True, exist_ok=True)
        elif why := place.why_not_there(folder):
            raise place.gone(why)
        self.folder = folder
        self.listener: Callable[[Event], None] | None = None
        self.place = place.StorePlace(folder)
        try:
            self._lock = lock.StoreLock(folder)
        except BaseException:
            self.place.close()
            raise
        was_cut_off = (folder / f"{connection.DATABASE}-wal").exists()
        now = time.time()
        checked = last_check.still_holds(folder, now)
        self._checked_at = checked.at if checked else now
        try:
            self.db: Database = writer.open_writer(folder, is_checked=checked is not None)
            writer.refuse_older_than(read_heights(folder), self.db.conn, folder)
            self.place.note_opened()
        except BaseException:
            self.place.close()
            self._lock.release()
            raise
        try:
            self._prepare(was_cut_off=was_cut_off)
        except BaseException:
            self.close()
            raise
        self.history = History(self.db, self.objects)
        self.working = WorkingFiles(self.db)
        self.runs = Runs(self.db)
        self.models = Models(self.db)
        self.outputs = Outputs(self.db)
        self.removals = Removals(self.db)
        self.exclusions = Exclusions(self.db)
        self.holds = Holds(self.db)
        self.care = Care(self.db)
        self.retraining = Retraining(self.db)
        self.sweeps = Sweeps(self.db)

    def _prepare(self, *, was_cut_off: bool) -> None:
        self.identity = place.identity_of(self.folder)
        # Whoever works below them makes no folder above its own: the store's disk may be away.
        for name in STANDING:
            self.standing(name)
        self.objects = ObjectStore(self.folder / "objects")
        self.objects.discard_incoming()
        if was_cut_off:
            # Files that were renamed but not synced exist now, and would wrongly count as durable.
            durable.sync_filesystem(self.folder)

    @property
    def scratch(self) -> Path:
        """Where children work; nothing in it is needed after a restart."""
        return self.folder / "scratch"

    @property
    def checkpoints(self) -> Path:
        """Where training runs keep checkpoints, a folder for each run key."""
        return self.folder / "checkpoints"

    def standing(self, *names: str) -> Path:
        """Return a folder of the store, made again if somebody removed it.

        It is made in this store only, never in a folder that took its place.

        Raises:
            OSError: the disk refuses.
        """
        self.place.pinned.joinpath(*names).mkdir(exist_ok=True)
        return self.folder.joinpath(*names)

    def forget_unfinished(self) -> None:
        """Drop what an error left: an open transaction, and bytes that no row names yet.

        Raises:
            OSError, sqlite3.Error: the disk still refuses.
        """
        if is_in_transaction(self.db):
            self.db.conn.execute("ROLLBACK")
        self.objects.discard_incoming()

    def heights(self) -> dict[str, int]:
        """Return how far the database has come; see `writer.refuse_older_than`."""
        return writer.heights(self.db.conn)

    def transaction(self) -> AbstractContextManager[Database]:
        """Begin (or join) a write transaction; see `pixd.store.transaction.transaction`."""
        return transaction(self.db)

    def apart(self) -> AbstractContextManager[Database]:
        """Write the rows of one file, of which an error undoes no others."""
        return apart(self.db)

    def write_commit(
        self,
        pipeline: str,
        kind: str,
        changes: list[Change],
        *,
        change_id: str,
        reason: str,
        objects: Mapping[str, StoredObject] | None = None,
    ) -> Commit:
        """Write the version that the working rows now are, and the commit that led to it.

        Join the caller's transaction, in which the working rows were brought up to date.
        """
        repo_id = self.history.repo_id(pipeline, kind)
        manifest = self.history.prepare_version(repo_id, changes, self.working)
        self.objects.flush()
        commit = self.history.commit(
            repo_id, manifest, changes, change_id=change_id, reason=reason, objects=objects or {}
        )
        self.note(pipeline, "info", "commit", f"{kind}@{commit.seq}: {reason}", change_id)
        return commit

    def note(
        self, pipeline: str, level: Level, kind: str, message: str, change_id: str = ""
    ) -> None:
        """Record one event for `status` and `log`, and pass it to the listener."""
        event = Event(utc_now(), level, pipeline, kind, change_id, message)
        self.db.execute(
            "INSERT INTO event (at, level, pipeline, kind, change_id, message)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            event,
        )
        if self.listener:
            self.listener(event)

    def close_whole(self) -> None:
        """Close the store after an end without a fault, so that its next start need not check it.

        Raises:
            OSError, sqlite3.Error: the disk refuses; the store is closed, and will be checked.
        """
        try:
            # While the page reads, closing would leave a log beside the database.
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.db.close()
            last_check.note(self.place.pinned, self._checked_at)
        finally:
            self.close()

    def close(self) -> None:
        """Close the database, then release the lock."""
        self.db.close()
        self.place.close()
        self._lock.release()
