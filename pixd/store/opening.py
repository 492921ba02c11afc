"""Opens a store for its one writer, and finishes what a crash interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store import gc
from pixd.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def open_store(folder: Path) -> Store:
    """Lock, open, migrate and recover the store in `folder`, making it at first use.

    Raises:
        StoreBusyError: another process holds it.
        StoreError: it is damaged or newer than this pixd.
    """
    store = Store(folder)
    try:
        gc.recover(store)
    except BaseException:
        store.close()
        raise
    return store
