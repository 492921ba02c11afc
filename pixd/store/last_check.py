"""Whether the database must be checked as a whole before it is written to.

A check reads all of it, which was a third of the start of a service with 100,000 outputs. So a
service that ends in order leaves a note: when the database was checked, and which file it was in the
end. If it still is that file, unchanged, nobody but that service has written to it since the check.
The kernel sets the time of a file's last change (ctime), and nobody can set it back; so a write, a
copy from a backup and a repair all show. A crash leaves a log beside (lineage.db-wal), which is never
taken for checked. What a disk loses by itself is found within `CHECK_EVERY_S`, or by `pixd verify`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from pixd.store.connection import DATABASE
from pixd.system import durable

if TYPE_CHECKING:
    from pathlib import Path

NOTE: Final = "database-check.json"
"""The note's name in the store. It is no part of the record: without it the database is checked."""
CHECK_EVERY_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class LastCheck:
    """When the database was checked, and what its file was when pixd closed it after that.

    Attributes:
        at: seconds since 1970.
        inode: of the file.
        size: in bytes.
        modified_ns: of its bytes, since 1970.
        changed_ns: of its bytes or of what the file system knows of it.
    """

    at: float
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def still_holds(folder: Path, now: float) -> LastCheck | None:
    """Return the last check of a store's database, or None if it is to be checked again.

    Args:
        folder: the store's.
        now: seconds since 1970.
    """
    try:
        noted = LastCheck(**json.loads((folder / NOTE).read_bytes()))
        is_same = noted == _of_file(folder, noted.at) and not _has_log(folder)
        return noted if is_same and 0 <= now - noted.at < CHECK_EVERY_S else None
    except (OSError, ValueError, TypeError):  # there is none, or it is not what this pixd writes
        return None


def note(folder: Path, at: float) -> None:
    """Note that the database was checked then, and is closed now without a fault.

    Raises:
        OSError: the disk refuses.
    """
    text = json.dumps(asdict(_of_file(folder, at)))
    durable.write_file(folder / NOTE, text.encode())


def _of_file(folder: Path, at: float) -> LastCheck:
    found = os.stat(folder / DATABASE)  # noqa: PTH116 - the folder may be given by a descriptor
    return LastCheck(at, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _has_log(folder: Path) -> bool:
    """Tell whether something is written that is not in the database's file yet."""
    try:
        return (folder / f"{DATABASE}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
