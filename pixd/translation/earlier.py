"""Keeps the bytes of an output that pixd wrote and this store knows nothing of, or not as the last.

A store that was put back from a backup finds such files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixd.images import png_text
from pixd.store.queries import history

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.store import Store


def keep(store: Store, pipeline: str, target: Path, name: str) -> None:
    """Keep the bytes of such an output before it is replaced. Join the caller's transaction.

    Args:
        store: the open store.
        pipeline: whose output it is.
        target: the file.
        name: its name text, for the note.

    Raises:
        OSError: it cannot be read.
    """
    key = png_text.read_text(target)["pixd:run"]
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stored = store.objects.take(fd)
    finally:
        os.close(fd)
    store.objects.flush()
    store.history.add_objects([stored], "image/png")
    runs = history.runs_of_key(store.db.conn, key)
    by = f"run@{runs[0]}" if runs else "a run that this store does not have (was it put back"
    told = f"{name} is of {by}" + ("" if runs else " from a backup?)")
    told += f": it is kept as {stored.digest[:19]} and replaced"
    store.note(pipeline, "info", "earlier", told)
