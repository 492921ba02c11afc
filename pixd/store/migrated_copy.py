"""A copy in memory of an older database, brought up to date, for readers."""

from __future__ import annotations

import sqlite3

from pixd.store import schema
from pixd.store.light_import import sqlite_utils_database


def of(old: sqlite3.Connection) -> sqlite3.Connection:
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
