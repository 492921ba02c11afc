"""A little room on the store's disk, kept so that gc can work when the disk is full.

A removal too is written down first, and a database on a full disk takes no row. So the store has a
file that holds nothing and is given up for that: see `give`. What is left of the room is taken
again after it. It is a help: where a disk refuses it, pixd works, and gc does so until it is full.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pixd.system import disk

if TYPE_CHECKING:
    from pathlib import Path

RESERVE = "reserve"
RESERVE_BYTES = 1 << 20
"""The rows of some thousand objects."""
_LEAST_BYTES = 1 << 16


def take(store: Path) -> None:
    """Take the room where it is not taken: all of it, or what the disk still has of it."""
    path = store / RESERVE
    with contextlib.suppress(OSError):
        if path.exists():
            return
        count = min(RESERVE_BYTES, disk.free_bytes(store))
        if count < _LEAST_BYTES:
            return
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, count)
        except OSError:  # to free what it got
            path.unlink()
        finally:
            os.close(fd)


def give(store: Path) -> None:
    """Give the room up where the disk has no other."""
    with contextlib.suppress(OSError):
        if disk.free_bytes(store) < RESERVE_BYTES:
            (store / RESERVE).unlink()
