"""Errors of a disk, how much free space work needs before it begins, and how long to wait.

A full, read-only or failing disk is not a bug and ends nothing. The work that needs it is
*blocked*, reports that, and goes on by itself when the disk works again. Only this module
distinguishes such errors from others and decides how much must be free before work begins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3  # noqa: TID251 - its result codes; there is no SQL here
from typing import TYPE_CHECKING

from pixd.system.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0  # so that work goes on within a minute after there is space

ERRORS = (OSError, sqlite3.Error)
"""Every error that a disk can be the cause of, for who passes over all of them."""
_REFUSALS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EINTR,
    errno.EBUSY,
    errno.ENODEV,
    errno.ENXIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
}
"""Errors of the machine. They pass, or somebody fixes them, and the request stays the same."""

# Primary result codes. Source: https://sqlite.org/rescode.html
_SQLITE_REFUSALS = {
    sqlite3.SQLITE_BUSY: "another program keeps the database locked",
    sqlite3.SQLITE_LOCKED: "another program keeps the database locked",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error, or is full",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_CANTOPEN: "a file of the database cannot be opened",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_PROTOCOL: "another program keeps the database locked",
}
_SQLITE_DAMAGES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY = 0xFF


def refusal(error: BaseException) -> str:
    """Say what a disk refused, or "" if the error is a bug or bad input and not the disk's."""
    if isinstance(error, DiskError):
        return error.message
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return f"{where}{error.strerror or os.strerror(error.errno)}"
    if isinstance(error, sqlite3.Error):
        why = _SQLITE_REFUSALS.get(_primary_code(error))
        return f"lineage.db: {why} ({error})" if why else ""
    return ""


ADVICE_READ_ONLY = (
    "mount the disk for writing; `dmesg` says whether it is read-only because it fails"
)
ADVICE_FULL = (
    "make room on that disk (on the store's, `pixd gc --apply` and then `pixd gc --empty-trash`"
    " remove for good what nothing needs)"
)
_ADVICE = (
    (("read-only",), ADVICE_READ_ONLY),
    (("reports an error",), f"{ADVICE_FULL}; if it is not full, `dmesg` says whether it fails"),
    (("is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)), ADVICE_FULL),
    (
        ("database locked",),
        "end the program that has lineage.db open, such as a database viewer",
    ),
    (
        ("enough memory", os.strerror(errno.ENOMEM)),
        "end other programs, or give this machine more memory or swap",
    ),
    (
        (os.strerror(errno.EMFILE), os.strerror(errno.ENFILE)),
        "end programs that hold many files open, or raise the limit: `ulimit -n`, LimitNOFILE=",
    ),
)
"""What a reason may say, in small letters or as the system words it, and what to do about it."""


def advice_for(why: str) -> str:
    """Return what a person can do about a reason that `refusal` or `shortage` gave."""
    for words, advice in _ADVICE:
        if any(word.lower() in why.lower() for word in words):
            return advice
    return "see that the folder is there, pixd may write it and its disk works (`dmesg`)"


def damage(error: BaseException) -> str:
    """Say how the database is damaged, or "" if it is another error."""
    is_damage = isinstance(error, sqlite3.Error) and _primary_code(error) in _SQLITE_DAMAGES
    return str(error) if is_damage else ""


def is_of_database(error: BaseException) -> bool:
    """Tell whether SQLite reports an error."""
    return isinstance(error, sqlite3.Error)


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write to the disk of a folder.

    Raises:
        OSError: the folder does not exist any more.
    """
    return _free_bytes(os.statvfs(folder))


def shortage(folder: Path, needed_bytes: int, keep_free_bytes: int) -> str:
    """Say why work that writes to the disk of a folder must wait, or "" if it need not.

    Args:
        folder: where it would write.
        needed_bytes: how much.
        keep_free_bytes: what must stay free in addition.
    """
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if found.f_flag & os.ST_RDONLY:
        return f"the disk of {folder} is read-only"
    free = _free_bytes(found)
    if free >= needed_bytes + keep_free_bytes:
        return ""
    return (
        f"the disk of {folder} is full: {_megabytes(free)} free, and"
        f" {_megabytes(needed_bytes + keep_free_bytes)} needed with keep.free_bytes"
    )


@contextlib.contextmanager
def tolerated(warn: Callable[[str], None]) -> Iterator[None]:
    """Go on after the block even if a disk refuses something in it, and pass that to `warn`."""
    try:
        yield
    except Exception as error:
        why = refusal(error)
        if not why:
            raise
        warn(why)


class Blockage:
    """Why something is blocked, since when, and when it is tried again."""

    def __init__(self) -> None:
        """Begin unblocked."""
        self.reason = ""
        self.since = 0.0  # monotonic seconds
        self.retry_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def __bool__(self) -> bool:
        """Tell whether it is blocked."""
        return bool(self.reason)

    def add(self, reason: str, now: float) -> bool:
        """Wait twice as long as last time; tell whether it was not blocked before.

        A refusal before the time of the next try only changes the reason.
        """
        is_new = not self.reason
        self.reason = reason
        if is_new:
            self.since, self.retry_at, self._wait_s = now, now, FIRST_WAIT_S
        if now >= self.retry_at:
            self.retry_at = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        return is_new

    def clear(self) -> None:
        """Record that the work succeeded."""
        self.reason = ""
        self.retry_at = 0.0


def _free_bytes(found: os.statvfs_result) -> int:
    return found.f_bavail * found.f_frsize


def _primary_code(error: sqlite3.Error) -> int:
    # Errors of Python's own module, such as a wrong number of parameters, have no code.
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
