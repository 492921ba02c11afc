"""The one writer's door to a store: lock, database, objects, and the tables by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store import connection, gc
from pixd.store.connection import transaction, utc_now
from pixd.store.exclusions import Exclusions
from pixd.store.history import History
from pixd.store.holds import Holds
from pixd.store.models import Models
from pixd.store.objects import ObjectStore
from pixd.store.outputs import Outputs
from pixd.store.runs import Runs
from pixd.store.working import WorkingFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlite_utils import Database


class Store:
    """Everything that may be written, held under one lock for the life of the process."""

    def __init__(self, folder: Path) -> None:
        """Lock, open and migrate the store in `folder`, making it at first use.

        Raises:
            StoreBusyError: another process holds it.
            StoreError: it is damaged or newer than this pixd.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.listener: Callable[[str, str, str], None] | None = None
        self._lock = connection.StoreLock(folder)
        try:
            self.db: Database = connection.open_writer(folder)
        except BaseException:
            self._lock.release()
            raise
        self.objects = ObjectStore(folder / "objects")
        self.objects.discard_incoming()
        self.history = History(self.db, self.objects)
        self.working = WorkingFiles(self.db)
        self.runs = Runs(self.db)
        self.models = Models(self.db)
        self.outputs = Outputs(self.db)
        self.exclusions = Exclusions(self.db)
        self.holds = Holds(self.db)
        gc.recover(self)

    @property
    def scratch(self) -> Path:
        """Where children work; nothing in it is worth keeping across a restart."""
        return self.folder / "scratch"

    @property
    def checkpoints(self) -> Path:
        """Where training runs keep checkpoints, a folder for each run key."""
        return self.folder / "checkpoints"

    def transaction(self) -> AbstractContextManager[Database]:
        """Begin (or join) a write transaction; see `pixd.store.connection.transaction`."""
        return transaction(self.db)

    def note(self, pipeline: str, level: str, kind: str, message: str, change_id: str = "") -> None:
        """Write one event to the feed that `status` and `log` show, and tell the listener."""
        self.db.execute(
            "INSERT INTO event (at, pipeline, level, kind, message, change_id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (utc_now(), pipeline, level, kind, message, change_id),
        )
        if self.listener:
            self.listener(pipeline, level, message)

    def close(self) -> None:
        """Close the database, then let the lock go."""
        self.db.close()
        self._lock.release()
