"""Stamps: what a file or folder is at one moment. Two stamps that differ show a change.

Promises: every number of a stamp is one that SQLite can hold, whatever the file system says. Inode
numbers are unsigned with 64 bits and SQLite's are signed; a time of the year 9999 needs 68 bits. So
a number that is too large is kept modulo 2^64, which still shows every change that matters.
Source: https://sqlite.org/datatype3.html, "INTEGER".
"""

from __future__ import annotations

import operator
import os
from typing import NamedTuple

LEAST = -(2**63)
MOST = 2**63 - 1 - 2_000_000_000
"""The range of a number in a stamp. It ends two seconds before what fits into 64 bits, because the
store keeps a time that is two seconds after the ctime, too (`pixd.store.files.RACY_NS`)."""

# In the order of `FileStamp`.
stamp_fields = operator.attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_dev", "st_ino")


class RootIdentity(NamedTuple):
    """Identifies a watched folder: another device, inode or birth means another folder.

    Attributes:
        device: number of its file system.
        inode: its number there, which a folder made later may get again.
        born_ns: when it was made; 0 if the file system does not know.
        is_link: whether the path itself is a symbolic link to it.
    """

    device: int
    inode: int
    born_ns: int
    is_link: bool


class FileStamp(NamedTuple):
    """What stat(2) shows of a file. Two equal stamps mean that nothing was written in between.

    The mtime is not enough, because cp -p and rsync keep it. No program can set back the ctime.

    It is a named tuple: with a frozen dataclass a scan of 100,000 files takes 0.1 s more.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int


def stamp_of_descriptor(fd: int) -> FileStamp:
    """Return the stamp of an open file, to compare with the one before it was opened.

    Raises:
        OSError: `fd` is not open.
    """
    return stamp_from(os.fstat(fd))


def stamp_from(about: os.stat_result) -> FileStamp:
    """Return the stamp from a result of stat(2), each number within `LEAST` and `MOST`."""
    return FileStamp._make(map(wrapped, stamp_fields(about)))


def wrapped(number: int) -> int:
    """Return a number as it is if it is within the range of a stamp, else modulo 2^64 within it."""
    if LEAST <= number <= MOST:
        return number
    return min((number + 2**63) % 2**64 - 2**63, MOST)
