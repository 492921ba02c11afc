"""The write transaction of the one writer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlite_utils import Database


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
            # A full disk or a lock can refuse here too, which would leave the transaction open.
            if is_in_transaction(db):
                db.conn.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def apart(db: Database) -> Iterator[Database]:
    """Join or begin a transaction; if the block raises, only what the block wrote is undone.

    So one file's error leaves no half of its rows in a transaction that goes on for the others.
    Source: https://sqlite.org/lang_savepoint.html
    """
    with transaction(db):
        db.conn.execute("SAVEPOINT apart")
        try:
            yield db
        except BaseException:
            if is_in_transaction(db):
                db.conn.execute("ROLLBACK TO apart")
                db.conn.execute("RELEASE apart")
            raise
        db.conn.execute("RELEASE apart")


def is_in_transaction(db: Database) -> bool:
    """Return whether a transaction is open. SQLite ends one by itself after some errors."""
    return bool(db.conn.in_transaction)
