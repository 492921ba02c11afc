"""Opens a store for its one writer, and finishes what a crash interrupted."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from pixd.store import gc
from pixd.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.connection import Reader


def empty_reader() -> Reader:
    """Return a reader of a store that holds nothing, for what is asked before the first start."""
    from pixd.store import migrated  # noqa: PLC0415 - needs sqlite-utils, which is slow to import

    reader = migrated.empty()
    reader.row_factory = sqlite3.Row
    return reader


def open_store(folder: Path, *, may_make: bool = True) -> Store:
    """Lock, open, migrate and recover the store in `folder`.

    Args:
        folder: the store's.
        may_make: whether a store may be made where none is.

    Raises:
        StoreBusyError: another process holds it.
        StoreError: it is damaged or newer than this pixd.
        StoreGoneError: none is there, and none may be made.
    """
    store = Store(folder, may_make=may_make)
    try:
        gc.recover(store)
    except BaseException:
        store.close()
        raise
    return store
