"""Copy a settled file out of a watched folder, and tell what is wrong with one that cannot be.

For a folder on a network file system this runs in a child, so the copy goes into a file of the
caller's. It is light for the same reason: a child imports it.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from pixd.folders import wholeness
from pixd.folders.companions import COMPANION, HEAD_BYTES, is_companion, may_be_companion
from pixd.images.formats import looks_whole
from pixd.system import durable, safe_open, stamps
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.folders.settle import Ready
    from pixd.system.stamps import FileStamp


class StillChangingError(Exception):
    """The file changed after it settled. `stamp` is the stamp that it has now."""

    def __init__(self, stamp: FileStamp) -> None:
        """Carry the stamp that the file has now."""
        super().__init__(stamp)
        self.stamp = stamp


class NotWholeError(Exception):
    """The file was taken early, but does not end as its format says: it must wait."""


class UnfinishedError(PixdError):
    """Somebody has not finished it yet, so it waits. The message is the reason."""


class RefusedError(PixdError):
    """The file is not taken. The message is the reason."""


class UnreadableError(PixdError):
    """The file cannot be read now, which says nothing about it. The message is the reason."""


def open_settled(root: Path, ready: Ready, max_file_bytes: int) -> tuple[int, FileStamp]:
    """Open a settled file, if it is still as it was when it settled and may be taken.

    Args:
        root: the watched folder.
        ready: the file.
        max_file_bytes: a larger file is refused.

    Returns:
        A descriptor, which the caller closes, and the stamp.

    Raises:
        FileNotFoundError: it is gone.
        StillChangingError: it is being written to.
        NotWholeError: it must wait for the full time.
        UnfinishedError: it must wait until its writer is done.
        RefusedError: it may not be read.
        UnreadableError: it cannot be read now.
        RootGoneError: the whole folder cannot be read.
    """
    try:
        fd = safe_open.open_regular(root, ready.name)
    except (FileNotFoundError, safe_open.RootGoneError):
        raise
    except OSError as error:
        raise unreadable(error) from error
    except PixdError as error:
        raise RefusedError(error.message) from error
    try:
        stamp = _checked(fd, ready, max_file_bytes)
        _check_whole(root, fd, ready, stamp.size)
    except OSError as error:
        os.close(fd)
        raise unreadable(error) from error
    except BaseException:
        os.close(fd)
        raise
    return fd, stamp


def copy_settled(root: Path, ready: Ready, max_file_bytes: int, target: Path) -> FileStamp:
    """Copy a settled file to `target`, which is replaced, and return its stamp.

    Raises:
        StillChangingError: it was written to meanwhile; and what `open_settled` raises.
        OSError: `target` cannot be written.
    """
    fd, before = open_settled(root, ready, max_file_bytes)
    try:
        with target.open("wb") as out:
            while chunk := _read(fd):
                out.write(chunk)
        check_unchanged(fd, before)
    finally:
        os.close(fd)
    return before


def check_unchanged(fd: int, before: FileStamp) -> None:
    """Check that a file has the stamp that it had before it was read.

    Raises:
        StillChangingError: it was written to meanwhile.
    """
    after = stamps.stamp_of_descriptor(fd)
    if after != before:
        raise StillChangingError(after)


def unreadable(error: OSError) -> UnreadableError:
    """Say that a file cannot be read now, with the system's reason."""
    return UnreadableError(f"cannot be read: {error.strerror or error}")


def _checked(fd: int, ready: Ready, max_file_bytes: int) -> FileStamp:
    before = stamps.stamp_of_descriptor(fd)
    if before != ready.stamp:  # written to without an event
        raise StillChangingError(before)
    if before.size > max_file_bytes:
        size, limit = math.ceil(before.size / 2**20), max_file_bytes // 2**20
        raise RefusedError(f"{size} MiB is over the limit of {limit} MiB")
    if may_be_companion(ready.name) and is_companion(ready.name, os.pread(fd, HEAD_BYTES, 0)):
        raise RefusedError(COMPANION)
    if ready.early and not looks_whole(fd, before.size):
        raise NotWholeError
    return before


def _check_whole(root: Path, fd: int, ready: Ready, size: int) -> None:
    """Check that nothing shows that the file is unfinished (`pixd.folders.wholeness`)."""
    if size >= wholeness.LARGE and (sidecar := wholeness.sidecar_of(root, ready.name)):
        raise UnfinishedError(f"unfinished: {sidecar} is beside it")
    if not ready.may_be_open and wholeness.being_written(fd):
        raise UnfinishedError("a program has it open for writing")
    missing = wholeness.missing_part(fd, size)
    os.lseek(fd, 0, os.SEEK_SET)
    if missing and ready.early:
        raise NotWholeError
    if missing:
        raise RefusedError(missing)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, durable.CHUNK_BYTES)
    except OSError as error:
        raise unreadable(error) from error
