"""The lineage database for readers: where it is, whether it may be read, and a connection to it.

Readers use the standard library alone, because `pixd status` must start fast: importing
sqlite-utils takes a tenth of a second. The writer, which uses it, is `pixd.store.writer`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from pixd.store.lock import holder_pid, may_not_read
from pixd.system.errors import CannotTellError

Reader = sqlite3.Connection  # one that can only read; made by open_reader
DATABASE = "lineage.db"
MIGRATIONS = (
    "m001_lineage",
    "m002_recall_and_trash",
    "m003_holds",
    "m004_file_totals",
    "m005_finding_the_next",
    "m006_care",
    "m007_retraining",
    "m008_taught",
    "m009_early_models",
    "m010_sweeps",
    "m011_removals",
    "m012_exclusions_by_recall",
)
"""The names of `pixd.store.schema.migrations`, for readers, which do not use sqlite-utils."""
BUSY_TIMEOUT_S = 5.0  # a longer lock blocks the service, which tries again


ADVICE_LOST = (
    "bring lineage.db back from a backup, or move the whole store away to begin again; a fresh"
    " database would make the kept bytes orphans"
)
ADVICE_NEWER = "install that version again; this one would not understand the store"


def what_outlived_database(folder: Path) -> str:
    """Return what shows that a store without a database once had one, or ""."""
    with contextlib.suppress(FileNotFoundError):
        if any(entry.name != "incoming" for entry in os.scandir(folder / "objects")):
            return f"{folder} has objects and no {DATABASE}: the database was lost"
    for name in (f"{DATABASE}-wal", f"{DATABASE}-journal"):
        if (folder / name).exists():
            return f"{folder} has {name} and no {DATABASE}: the database was lost"
    return ""


def say_newer(path: Path, newer: set[str]) -> str:
    """Return the message that a newer pixd wrote the database."""
    return f"{path} was written by a newer pixd (it has {', '.join(sorted(newer))})"


def has_database(folder: Path) -> bool:
    """Return whether there is a database that may be read.

    Raises:
        CannotTellError: the caller may not look into the folder, or not read the database.
    """
    path = folder / DATABASE
    try:
        path.stat()
    except PermissionError as error:
        raise may_not_read(folder) from error
    except OSError:
        return False
    if not os.access(path, os.R_OK):
        raise may_not_read(folder)
    return True


def open_reader(folder: Path) -> sqlite3.Connection:
    """Open the database read-only, with rows by name.

    A database that an older pixd wrote is read as the next start will make it: as a copy in memory,
    brought up to date there. So people are told what an upgrade does before it does it.

    Raises:
        CannotTellError: there is no store there, or it cannot be read.
    """
    path = folder / DATABASE
    if not has_database(folder):
        lost = what_outlived_database(folder)
        raise CannotTellError(
            lost or f"no store at {folder}",
            advice=ADVICE_LOST
            if lost
            else "if there was one, bring its disk back; else start the service once with `pixd run`",
        )
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # A reader without write permission cannot make the -shm file of a cleanly closed
    # database. Nobody writes then, so it is read as immutable. If a log was left (the service was
    # killed, and -shm is gone too), that would show an older state, so it is not done.
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
                say_newer(path, applied.difference(MIGRATIONS)), advice=ADVICE_NEWER
            )
        return connection if applied == set(MIGRATIONS) else _brought_up_to_date(connection, path)
    raise CannotTellError(
        f"{path} cannot be read: {last}", advice="`pixd run` says more about a damaged store"
    )


def _brought_up_to_date(old: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return a copy in memory of an older database, as this version has it. Closes `old`.

    Raises:
        CannotTellError: it cannot be brought up to date.
    """
    from pixd.store import migrated  # noqa: PLC0415 - needs sqlite-utils, which is slow to import

    try:
        copy = migrated.copy_of(old)
    except sqlite3.Error as error:
        raise CannotTellError(
            f"{path} was written by an older pixd and cannot be brought up to date: {error}",
            advice="`pixd run` says more about a damaged store",
        ) from error
    finally:
        old.close()
    copy.row_factory = sqlite3.Row
    copy.execute("PRAGMA query_only = ON")
    return copy


def is_older(reader: sqlite3.Connection) -> bool:
    """Tell whether an older pixd wrote the database, so that `reader` has a copy of it."""
    return not reader.execute("PRAGMA database_list").fetchone()["file"]


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
