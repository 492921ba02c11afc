"""Opening the lineage database: one writer under a lock, any number of light readers.

The writer goes through sqlite-utils; readers use the standard library alone, because
`pixd status` must stay light (sqlite-utils costs a quarter of a second to import).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixd import durable
from pixd.errors import CannotTellError, StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlite_utils import Database

Reader = sqlite3.Connection  # one that can only read; made by open_reader
DATABASE = "lineage.db"
LOCK = "lock"
BUSY_TIMEOUT_S = 10.0
EXTEND_EVERY_S = 1.0
VM_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's virtual machine: some milliseconds


class StoreLock:
    """The exclusive right to write one store, dropped by the kernel when the holder dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of the store in `folder`, which must exist.

        Raises:
            StoreBusyError: another process holds it; the message names its pid.
        """
        path = folder / LOCK
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreBusyError(
                f"another pixd (pid {holder}) holds the store {folder}",
                advice="ask it with `pixd status`, or stop it first",
            ) from None
        os.ftruncate(self._fd, 0)
        # The pid is a courtesy to the reader; the lock itself is the truth.
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back. Children never hold it: the descriptor is close-on-exec."""
        os.close(self._fd)


def holder_pid(folder: Path) -> int | None:
    """Return the pid of the process that holds the store's lock, or None.

    Needs only read permission: a shared lock is tried and dropped at once.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 64, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(fd)


def open_writer(folder: Path) -> Database:
    """Open the database for its one writer, creating and migrating it as needed.

    Raises:
        StoreError: the file is not a database of ours, is damaged, or is newer than this pixd.
    """
    # Only the writer pays for sqlite-utils: a quarter of a second.
    from sqlite_utils import Database  # noqa: PLC0415

    from pixd.store import schema  # noqa: PLC0415

    path = folder / DATABASE
    if not path.exists():
        _create(path)
    try:
        # isolation_level None: no implicit BEGIN; every write goes through transaction().
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        db = Database(connection, execute_plugins=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        known = {migration.name for migration in schema.migrations.pending(db)} | {
            migration.name for migration in schema.migrations.applied(db)
        }
        applied = {migration.name for migration in schema.migrations.applied(db)}
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path} cannot be opened: {error}",
            advice="move the store away, or bring the file back from a backup; pixd changes nothing",
        ) from error
    newer = applied - {migration.name for migration in schema.migrations._migrations}  # noqa: SLF001
    if newer:
        raise StoreError(
            f"{path} was written by a newer pixd (it has {', '.join(sorted(newer))})",
            advice="install that version again; this one would not understand the store",
        )
    if known - applied:
        with _extending_start(connection):
            schema.migrations.apply(db)
    return db


@contextlib.contextmanager
def _extending_start(connection: sqlite3.Connection) -> Iterator[None]:
    """Ask systemd for more time, again and again, for as long as SQLite is at work.

    SQLite's progress handler asks, in the midst of a statement: one that hangs in the kernel
    asks for nothing, and systemd's time-out ends it.

    Source: https://sqlite.org/c3ref/progress_handler.html
    """
    from pixd import systemd  # noqa: PLC0415 - readers do without

    said_at = -math.inf

    def say() -> int:
        nonlocal said_at
        now = time.monotonic()
        if now >= said_at + EXTEND_EVERY_S:
            said_at = now
            systemd.extend_start("migrating the store")
        return 0  # anything else would end the statement

    say()
    connection.set_progress_handler(say, VM_STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _create(path: Path) -> None:
    """Make an empty store's database beside its place and rename it there.

    A reader never sees one without tables, and a crash leaves none.
    """
    from sqlite_utils import Database  # noqa: PLC0415

    from pixd.store import schema  # noqa: PLC0415

    building = path.with_name(f".{path.name}.new")
    for leftover in (building, building.with_name(building.name + "-journal")):
        leftover.unlink(missing_ok=True)
    db = Database(sqlite3.connect(building, isolation_level=None), execute_plugins=False)
    schema.migrations.apply(db)
    db.close()
    building.rename(path)
    durable.sync_folder(path.parent)


@contextlib.contextmanager
def transaction(db: Database) -> Iterator[Database]:
    """Run one write transaction that takes the write lock at its start.

    sqlite-utils' own `atomic()` sends a deferred BEGIN, which can fail at once with
    SQLITE_BUSY_SNAPSHOT when it upgrades from reading to writing; BEGIN IMMEDIATE waits
    for the lock instead. Nested use joins the outer transaction.
    Source: https://sqlite.org/lang_transaction.html
    """
    if is_in_transaction(db):
        yield db
        return
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        if is_in_transaction(db):
            db.conn.execute("ROLLBACK")
        raise
    else:
        db.conn.execute("COMMIT")


def is_in_transaction(db: Database) -> bool:
    """Tell whether a transaction is open. SQLite itself ends one after some errors."""
    return bool(db.conn.in_transaction)


def open_reader(folder: Path) -> sqlite3.Connection:
    """Open the database read-only, with rows by name.

    Raises:
        CannotTellError: there is no store there, or it cannot be read.
    """
    path = folder / DATABASE
    if not path.exists():
        raise CannotTellError(
            f"no store at {folder}", advice="start the service once with `pixd run`"
        )
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # A reader without write permission cannot make the -shm file of a cleanly closed
    # database; nobody writes then, so it may be read as immutable.
    for options in ("mode=ro", "mode=ro&immutable=1"):
        if "immutable" in options and holder_pid(folder) is not None:
            break
        try:
            connection = sqlite3.connect(
                f"file:{quoted}?{options}", uri=True, isolation_level=None, timeout=2.0
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT 1 FROM repo LIMIT 1").fetchone()
        except sqlite3.Error as error:
            last = error
            continue
        return connection
    raise CannotTellError(
        f"{path} cannot be read: {last}", advice="`pixd run` says more about a damaged store"
    )


LIVE = "service.json"  # what only the running service knows; see write_live


def write_live(folder: Path, live: dict[str, object]) -> None:
    """Publish the service's heartbeat for readers. Not durable: it is true only while it runs."""
    temporary = folder / f".{LIVE}.tmp"
    temporary.write_text(json.dumps(live, sort_keys=True))
    temporary.replace(folder / LIVE)


def read_live(folder: Path) -> dict[str, object]:
    """Return the last heartbeat, or an empty mapping when there was none."""
    try:
        live = json.loads((folder / LIVE).read_text())
    except (OSError, ValueError):
        return {}
    return live if isinstance(live, dict) else {}


def utc_now() -> str:
    """Return the present instant as RFC 3339 UTC with milliseconds."""
    now = time.time()
    return rfc3339(now)


def rfc3339(at_s: float) -> str:
    """Write seconds since the epoch as RFC 3339 UTC with milliseconds."""
    whole = int(at_s)
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        + f".{int((at_s - whole) * 1000):03d}Z"
    )
