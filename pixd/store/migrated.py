"""Databases in memory that have every migration: a copy of an older one, or an empty one."""

from __future__ import annotations

import contextlib
import sqlite3

from pixd.store import schema
from pixd.store.light_import import sqlite_utils_database


def copy_of(old: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy that has every migration. Nothing is written to `old`.

    Raises:
        sqlite3.Error: a migration does not apply.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        old.backup(copy)
        schema.migrations.apply(sqlite_utils_database()(copy, execute_plugins=False))
    except BaseException:
        copy.close()
        raise
    return copy


def empty() -> sqlite3.Connection:
    """Return the database of a store that holds nothing."""
    with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
        return copy_of(nothing)
