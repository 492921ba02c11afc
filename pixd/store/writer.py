"""Opens the lineage database for its one writer: creates, checks, migrates or refuses it.

A database that is refused is not changed. The writer uses sqlite-utils; readers do not.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.store.connection import (
    ADVICE_LOST,
    ADVICE_NEWER,
    BUSY_TIMEOUT_S,
    DATABASE,
    MIGRATIONS,
    say_newer,
    what_outlived_database,
)
from pixd.store.heartbeat import LIVE
from pixd.store.light_import import sqlite_utils_database
from pixd.system import disk, durable, systemd
from pixd.system.errors import StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlite_utils import Database

EXTEND_EVERY_S = 1.0
VM_STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's virtual machine: some milliseconds
_DEFINITIONS = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL"
ADVICE_DAMAGED = (
    "bring lineage.db (with lineage.db-wal, if there is one) back from a backup, or move the whole"
    " store away to begin again; pixd changes nothing"
)


def open_writer(folder: Path, *, is_checked: bool = False) -> Database:
    """Open the database for its one writer, creating and migrating it as needed.

    The whole database is checked for damage, at about 150 MB a second, because what is written on a
    damaged page is lost.

    Args:
        folder: the store's.
        is_checked: whether it is known to be whole; see `pixd.store.last_check`.

    Raises:
        StoreBusyError: another program keeps it locked.
        StoreError: the file is gone, damaged, not ours, or newer than this pixd; or its disk
            refuses.
    """
    database = sqlite_utils_database()
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
        # Checked before anything is written, so that a refused database is not changed.
        applied = {migration.name for migration in schema.migrations.applied(db)}
        problems: list[str] = []
        if not is_checked:
            with _extending_start(connection, "checking the store"):
                problems = [row[0] for row in db.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
        if applied == set(MIGRATIONS) and not problems:
            problems = _changed_definitions(db)
    except sqlite3.Error as error:
        raise _cannot_open(path, error) from error
    if problems or not applied:
        # SQLite takes an empty file for an empty database. Ours always has tables.
        why = "; ".join(problems).replace("\n", " ") or "it holds no tables of pixd"
        raise StoreError(f"{path} is damaged: {why}", advice=ADVICE_DAMAGED)
    newer = applied.difference(MIGRATIONS)
    if newer:
        raise StoreError(say_newer(path, newer), advice=ADVICE_NEWER)
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


def _changed_definitions(db: Database) -> list[str]:
    """Return which tables, indexes and triggers differ from what the migrations make.

    `PRAGMA quick_check` does not check their text, so a flipped bit in a trigger would show only
    when the trigger fires. Definitions that others have added do no harm.
    """
    wanted, there = _wanted_definitions(), dict(db.execute(_DEFINITIONS).fetchall())
    return [f"{name} is not as it was made" for name in wanted if there.get(name) != wanted[name]]


@functools.cache
def _wanted_definitions() -> Mapping[str, str]:
    """Return what the migrations make, by kind and name: of a store in memory that has them all."""
    from pixd.store import migrated  # noqa: PLC0415 - needs sqlite-utils

    with contextlib.closing(migrated.empty()) as fresh:
        return dict(fresh.execute(_DEFINITIONS).fetchall())


@contextlib.contextmanager
def _extending_start(connection: sqlite3.Connection, what: str) -> Iterator[None]:
    """Ask systemd for more time, again and again, while SQLite works on `what`.

    SQLite's progress handler asks, during a statement. A statement that hangs in the kernel does
    not ask, and systemd's time-out ends it.

    Source: https://sqlite.org/c3ref/progress_handler.html
    """
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


def _create(path: Path) -> None:
    """Make an empty store's database beside its final name and rename it.

    So a reader never sees a database without tables, and a crash leaves none.
    """
    database = sqlite_utils_database()
    from pixd.store import schema  # noqa: PLC0415 - needs sqlite-utils

    building = path.with_name(f".{path.name}.new")
    for leftover in (building, building.with_name(building.name + "-journal")):
        leftover.unlink(missing_ok=True)
    db = database(sqlite3.connect(building, isolation_level=None), execute_plugins=False)
    # Nobody has it yet, so it is flushed once, at its end, and not for each migration.
    db.execute("PRAGMA synchronous = OFF")
    schema.migrations.apply(db)
    db.close()
    durable.sync_files([building], [])
    building.rename(path)
    durable.sync_folder(path.parent)


def _cannot_open(path: Path, error: sqlite3.Error) -> StoreError:
    why = disk.refusal(error)
    if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(
            f"another program keeps {path} locked",
            advice="close what has it open (`fuser lineage.db` names it), then start again",
        )
    if why:
        return StoreError(
            f"{path} cannot be opened: {why}",
            advice="free some space or repair the disk, then retry",
        )
    return StoreError(f"{path} cannot be opened: {error}", advice=ADVICE_DAMAGED)


def heights(reader: sqlite3.Connection) -> dict[str, int]:
    """Return the largest ids of tables whose rows are never removed: how far a store has come."""
    return {
        table: int(reader.execute(f'SELECT coalesce(max(id), 0) FROM "{table}"').fetchone()[0])
        for table in ("commit", "run", "event")
    }


def refuse_older_than(said: Mapping[str, int], reader: sqlite3.Connection, folder: Path) -> None:
    """Check that the database is not older than what the last service recorded as written.

    It is older if lineage.db-wal was lost after a crash, or if an old copy replaced it. Going on
    would do work twice and take pixd's own outputs for somebody else's.

    Raises:
        StoreError: it is older.
    """
    for table, height in heights(reader).items():
        if height < said.get(table, 0):
            raise StoreError(
                f"{folder / DATABASE} is older than the store: it has {table} {height}, and the"
                f" last service had written {table} {said[table]}",
                advice="bring back lineage.db-wal beside it; or, if the older state is what you"
                f" want, remove {folder / LIVE}, which says otherwise",
            )
