"""Stamps: what a file or folder is at one moment. Two stamps that differ show a change.

Promises: every number of a stamp is one that SQLite can hold, whatever the file system says. Inode
numbers are unsigned with 64 bits and SQLite's are signed; a time of the year 9999 needs 68 bits. So
a number that is too large is kept modulo 2^64, which still shows every change that matters.
Source: https://sqlite.org/datatype3.html, "INTEGER".
"""

from __future__ import annotations

import operator
import os
import struct
from typing import NamedTuple, Self

LEAST = -(2**63)
MOST = 2**63 - 1 - 2_000_000_000
"""The range of a number in a stamp. It ends two seconds before what fits into 64 bits, because the
store keeps a time that is two seconds after the ctime, too (`pixd.store.files.RACY_NS`)."""

# In the order of `FileStamp`.
stamp_fields = operator.attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")
_STAMP = struct.Struct("=5q")
pack_stamp = _STAMP.pack
STAMP_BYTES = _STAMP.size
BEFORE_DEVICE = STAMP_BYTES - 8
"""How many bytes of a stamp say nothing of the device, whose number a restart may change."""


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


class FileStamp(bytes):
    """What stat(2) shows of a file. Two equal stamps mean that nothing was written in between.

    The mtime is not enough, because cp -p and rsync keep it. No program can set back the ctime.

    The five numbers are packed. A scan holds one stamp for each file, and the service keeps most of
    them: 89 bytes each, where a tuple of five integers takes 280.
    """

    __slots__ = ()

    def __new__(cls, size: int, mtime_ns: int, ctime_ns: int, inode: int, device: int) -> Self:
        """Pack five numbers, each within `LEAST` and `MOST`."""
        return bytes.__new__(cls, pack_stamp(size, mtime_ns, ctime_ns, inode, device))

    def __getnewargs__(self) -> tuple[int, ...]:  # type: ignore[override]
        """Return what `__new__` takes, for pickle."""
        return self.numbers

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """Size, mtime_ns, ctime_ns, inode and device."""
        return _STAMP.unpack(self)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.numbers[0]

    @property
    def mtime_ns(self) -> int:
        """When its bytes were changed, as programs may set it."""
        return self.numbers[1]

    @property
    def ctime_ns(self) -> int:
        """When its bytes, its name or its permissions were changed."""
        return self.numbers[2]

    @property
    def inode(self) -> int:
        """Its number in its file system."""
        return self.numbers[3]

    @property
    def device(self) -> int:
        """Number of its file system."""
        return self.numbers[4]

    def __repr__(self) -> str:
        """Name the numbers."""
        return "FileStamp({}, {}, {}, {}, {})".format(*self.numbers)

    __str__ = __repr__


def stamp_of_descriptor(fd: int) -> FileStamp:
    """Return the stamp of an open file, to compare with the one before it was opened.

    Raises:
        OSError: `fd` is not open.
    """
    return stamp_from(os.fstat(fd))


def stamp_from(about: os.stat_result) -> FileStamp:
    """Return the stamp from a result of stat(2), each number within `LEAST` and `MOST`."""
    return FileStamp(*map(wrapped, stamp_fields(about)))


def wrapped(number: int) -> int:
    """Return a number as it is if it is within the range of a stamp, else modulo 2^64 within it."""
    if LEAST <= number <= MOST:
        return number
    return min((number + 2**63) % 2**64 - 2**63, MOST)
