"""Opening the lineage database: one writer under a lock, any number of light readers.

The writer goes through sqlite-utils; readers use the standard library alone, because
`pixd status` must stay light (sqlite-utils costs a tenth of a second to import).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.errors import CannotTellError, StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlite_utils import Database

Reader = sqlite3.Connection  # one that can only read; made by open_reader
DATABASE = "lineage.db"
LOCK = "lock"
MIGRATIONS = (
    "m001_lineage",
    "m002_recall_and_trash",
    "m003_holds",
    "m004_file_totals",
    "m005_finding_the_next",
)
"""The names of `pixd.store.schema.migrations`, for readers, who do without sqlite-utils."""
BUSY_TIMEOUT_S = 5.0  # a lock that lasts longer blocks the service, which goes on trying
LOCK_PATIENCE_S = 0.2
"""Who asks `holder_pid` shares the lock for an instant; that must not keep a service away."""
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
        if not self._is_taken_within(LOCK_PATIENCE_S):
            holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreBusyError(
                f"another pixd (pid {holder}) holds the store {folder}",
                advice="ask it with `pixd status`, or stop it first",
            )
        os.ftruncate(self._fd, 0)
        # The pid is a courtesy to the reader; the lock itself is the truth.
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _is_taken_within(self, patience_s: float) -> bool:
        ends_at = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > ends_at:
                    return False
                time.sleep(0.005)
            else:
                return True

    def release(self) -> None:
        """Give the lock back. Children never hold it: the descriptor is close-on-exec."""
        os.close(self._fd)


def holder_pid(folder: Path) -> int | None:
    """Return the pid of the process that holds the store's lock, or None.

    Needs only read permission: a shared lock is tried and dropped at once.

    Raises:
        CannotTellError: the caller may not even read it.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise _may_not_read(folder) from error
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

    The whole database is checked for damage, at some 150 MB a second: a service starts rarely,
    and what is written on top of a damaged page is lost for good.

    Raises:
        StoreBusyError: another program keeps it locked.
        StoreError: the file is gone, damaged, not ours, or newer than this pixd; or its disk
            refuses.
    """
    database = _sqlite_utils_database()
    from pixd.store import schema  # noqa: PLC0415 - needs sqlite-utils

    path = folder / DATABASE
    if not path.exists():
        lost = what_outlived_database(folder)
        if lost:
            raise StoreError(lost, advice=ADVICE_LOST)
        _create(path)
    try:
        # isolation_level None: no implicit BEGIN; every write goes through transaction().
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        db = database(connection, execute_plugins=False)
        # Looked at before anything is written: what is refused is left as it was.
        applied = {migration.name for migration in schema.migrations.applied(db)}
        with _extending_start(connection, "checking the store"):
            problems = [row[0] for row in db.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite3.Error as error:
        raise _cannot_open(path, error) from error
    if problems or not applied:
        # A file cut to nothing is an empty database to SQLite: ours is never without tables.
        why = "; ".join(problems).replace("\n", " ") or "it holds no tables of pixd"
        raise StoreError(f"{path} is damaged: {why}", advice=ADVICE_DAMAGED)
    newer = applied.difference(MIGRATIONS)
    if newer:
        raise StoreError(_say_newer(path, newer), advice=ADVICE_NEWER)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        if applied != set(MIGRATIONS):
            with _extending_start(connection, "migrating the store"):
                schema.migrations.apply(db)
    except sqlite3.Error as error:
        raise _cannot_open(path, error) from error
    return db


@contextlib.contextmanager
def _extending_start(connection: sqlite3.Connection, what: str) -> Iterator[None]:
    """Ask systemd for more time, again and again, for as long as SQLite is at `what`.

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
            systemd.extend_start(what)
        return 0  # anything else would end the statement

    say()
    connection.set_progress_handler(say, VM_STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _sqlite_utils_database() -> type[Database]:
    """Import sqlite-utils, which only the writer pays for, and keep NumPy and pandas out.

    It imports them where they are installed, to store their types: 60 ms and 11 MB that the
    service, which has no arrays, would carry for nothing.
    """
    absent = [name for name in ("numpy", "pandas") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not importable
    try:
        from sqlite_utils import Database  # noqa: PLC0415
    finally:
        for name in absent:
            del sys.modules[name]
    return Database


ADVICE_DAMAGED = (
    "bring lineage.db (with lineage.db-wal, if there is one) back from a backup, or move the whole"
    " store away to begin anew; pixd changes nothing"
)
ADVICE_LOST = (
    "bring lineage.db back from a backup, or move the whole store away to begin anew; a fresh"
    " database would make the kept bytes orphans"
)
ADVICE_NEWER = "install that version again; this one would not understand the store"


def what_outlived_database(folder: Path) -> str:
    """Say what is in a store without a database that must once have had one, or ""."""
    with contextlib.suppress(FileNotFoundError):
        if any(entry.name != "incoming" for entry in os.scandir(folder / "objects")):
            return f"{folder} has objects and no {DATABASE}: the database was lost"
    for name in (f"{DATABASE}-wal", f"{DATABASE}-journal"):
        if (folder / name).exists():
            return f"{folder} has {name} and no {DATABASE}: the database was lost"
    return ""


def _say_newer(path: Path, newer: set[str]) -> str:
    return f"{path} was written by a newer pixd (it has {', '.join(sorted(newer))})"


def _cannot_open(path: Path, error: sqlite3.Error) -> StoreError:
    from pixd import disk  # noqa: PLC0415 - readers do without

    why = disk.refusal(error)
    if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(
            f"another program keeps {path} locked",
            advice="close what has it open (`fuser lineage.db` names it), then start again",
        )
    if why:
        return StoreError(
            f"{path} cannot be opened: {why}", advice="free some space or mend the disk, then retry"
        )
    return StoreError(f"{path} cannot be opened: {error}", advice=ADVICE_DAMAGED)


def heights(reader: sqlite3.Connection) -> dict[str, int]:
    """Return the largest ids of tables whose rows are never removed: how far a store has come."""
    return {
        table: int(reader.execute(f'SELECT coalesce(max(id), 0) FROM "{table}"').fetchone()[0])
        for table in ("commit", "run", "event")
    }


def refuse_older_than(live: dict[str, object], reader: sqlite3.Connection, folder: Path) -> None:
    """See that the database is not older than what the last service said that it had written.

    It is if lineage.db-wal was lost after a crash, or an old copy was put in its place. Working
    on would make things twice and take pixd's own outputs for somebody else's.

    Raises:
        StoreError: it is older.
    """
    said = live.get("heights")
    if not isinstance(said, dict):
        return
    for table, height in heights(reader).items():
        if height < int(said.get(table, 0)):
            raise StoreError(
                f"{folder / DATABASE} is older than the store: it has {table} {height}, and the"
                f" last service had written {table} {said[table]}",
                advice="bring back lineage.db-wal beside it; or, if the older state is what you"
                f" want, remove {folder / LIVE}, which says otherwise",
            )


def _create(path: Path) -> None:
    """Make an empty store's database beside its place and rename it there.

    A reader never sees one without tables, and a crash leaves none.
    """
    database = _sqlite_utils_database()
    from pixd import durable  # noqa: PLC0415 - readers do without
    from pixd.store import schema  # noqa: PLC0415 - needs sqlite-utils

    building = path.with_name(f".{path.name}.new")
    for leftover in (building, building.with_name(building.name + "-journal")):
        leftover.unlink(missing_ok=True)
    db = database(sqlite3.connect(building, isolation_level=None), execute_plugins=False)
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
        try:
            db.conn.execute("COMMIT")
        except BaseException:
            # A full disk or a lock refuses here too, and would leave the transaction open.
            if is_in_transaction(db):
                db.conn.execute("ROLLBACK")
            raise


def is_in_transaction(db: Database) -> bool:
    """Tell whether a transaction is open. SQLite itself ends one after some errors."""
    return bool(db.conn.in_transaction)


def has_database(folder: Path) -> bool:
    """Tell whether there is a database that may be read.

    Raises:
        CannotTellError: the caller may not look, or not read.
    """
    path = folder / DATABASE
    try:
        path.stat()
    except PermissionError as error:
        raise _may_not_read(folder) from error
    except OSError:
        return False
    if not os.access(path, os.R_OK):
        raise _may_not_read(folder)
    return True


def _may_not_read(folder: Path) -> CannotTellError:
    return CannotTellError(
        f"you may not read the store {folder}",
        advice="ask as the user that runs pixd (sudo -u), or join its group",
    )


def open_reader(folder: Path) -> sqlite3.Connection:
    """Open the database read-only, with rows by name.

    Raises:
        CannotTellError: there is no store there, or it cannot be read.
    """
    path = folder / DATABASE
    if not has_database(folder):
        lost = what_outlived_database(folder)
        raise CannotTellError(
            lost or f"no store at {folder}",
            advice=ADVICE_LOST if lost else "start the service once with `pixd run`",
        )
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # A reader without write permission cannot make the -shm file of a cleanly closed
    # database; nobody writes then, so it may be read as immutable. Not where a log was left
    # (the service was killed, and -shm is gone too): that would show an older state as the truth.
    for options in ("mode=ro", "mode=ro&immutable=1"):
        if "immutable" in options and (holder_pid(folder) is not None or _has_log(path)):
            break
        try:
            connection = sqlite3.connect(
                f"file:{quoted}?{options}", uri=True, isolation_level=None, timeout=2.0
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only = ON")
            rows = connection.execute(
                "SELECT name FROM _sqlite_migrations WHERE migration_set = 'pixd'"
            ).fetchall()
        except sqlite3.Error as error:
            last = error
            continue
        applied = {row[0] for row in rows}
        if applied.difference(MIGRATIONS):
            raise CannotTellError(
                _say_newer(path, applied.difference(MIGRATIONS)), advice=ADVICE_NEWER
            )
        if applied != set(MIGRATIONS):
            raise CannotTellError(
                f"{path} was written by an older pixd",
                advice="`pixd run` brings it up to date, with everything in it",
            )
        return connection
    raise CannotTellError(
        f"{path} cannot be read: {last}", advice="`pixd run` says more about a damaged store"
    )


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


LIVE = "service.json"  # what only the running service knows; see write_live
LIVE_BLOCK_BYTES = 4096  # padded by more than one, so that a longer one fits in place


def write_live(folder: Path, live: dict[str, object]) -> None:
    """Publish the service's heartbeat for readers. Not durable: it is true only while it runs.

    On a full disk it is written over the last one in place, which takes no new block: a store
    that cannot be written must still say so.

    Raises:
        OSError: the disk refuses that too.
    """
    text = json.dumps(live, sort_keys=True)
    text = text.ljust((len(text) // LIVE_BLOCK_BYTES + 2) * LIVE_BLOCK_BYTES)
    temporary = folder / f".{LIVE}.tmp"
    try:
        temporary.write_text(text)
        temporary.replace(folder / LIVE)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()  # its blocks are needed more
        with (folder / LIVE).open("r+") as standing:
            standing.write(text)
            standing.truncate()


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
