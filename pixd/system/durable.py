"""Writes files so that each has either all its old bytes or all its new ones, safe on the disk.

Promises: when `write_file` or `publish` returns, the bytes and the name survive a power cut. If
they raise, the old file still exists and no temporary file is left. A crash may leave a
temporary file (``.pixd-<12 hex>.tmp``); nothing ever reads one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from functools import partial
from typing import TYPE_CHECKING

from pixd.system import libc
from pixd.system.crash_points import crash_point
from pixd.system.draft import Draft, temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

FICLONE = 0x40049409  # linux/fs.h: share the extents of another file (reflink)
CHUNK_BYTES = 1 << 20
SYNC_TOGETHER = 256
SYNC_APART = 16  # from so many files on, one sync of the file system is cheaper than one a file
COPY_RANGE_BYTES = 1 << 30  # a call of copy_file_range(2) may copy less; it returns how much

# ``copy_file_range`` reports these if it cannot copy between two files at all.
_CANNOT_COPY_RANGE = {
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EBADF,
    errno.ETXTBSY,
}


# -- files -----------------------------------------------------------------------------------


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, replacing what is there, completely or not at all.

    Args:
        path: a file in a folder that exists.
        data: its new bytes.
        mode: permission bits of a new file, before the umask.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file stays.
    """
    with temporary_beside(path, mode) as (fd, temporary):
        write_all(fd, data)
        _put_in_place(fd, temporary, path)
    sync_folder(path.parent)


def publish(source: Path, target: Path) -> None:
    """Copy a file of the store into a folder of the user, whole or not at all.

    It is a copy, never a hard link, because an edit of the published file must not change the
    store. The two share extents if the file system can do that (reflink). Missing parents are made.

    Args:
        source: a file that nothing writes to any more.
        target: where its bytes go; an existing file is replaced.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file stays.
    """
    for error in publish_each([(source, target)]):
        if error:
            raise error


def publish_many(files: Sequence[tuple[Path, Path]], progress: Callable[[int], None]) -> None:
    """Do what `publish` does for many files, with one sync for each few hundred.

    Args:
        files: (source, target) pairs.
        progress: called with how many are in place.

    Raises:
        OSError: as `publish`; later groups of a few hundred files were not begun.
    """
    for start in range(0, len(files), SYNC_TOGETHER):
        batch = files[start : start + SYNC_TOGETHER]
        for error in publish_each(batch):
            if error:
                raise error
        progress(start + len(batch))


def publish_each(
    files: Sequence[tuple[Path, Path]], *, below: Path | None = None
) -> list[Exception | None]:
    """Do what `publish` does for some hundred files, with two syncs for all. Each may fail alone.

    First, all bytes go to the disk, in files without names (`pixd.system.draft`). Then each file
    gets its name. Then the names go to the disk.

    Args:
        files: (source, target) pairs.
        below: a folder that is not made if it is missing, nor any above it; None: all are made.

    Returns:
        For each file None, or the error because of which it is not in place; the old file stays.
    """
    filled = [(target, partial(_copy_from, source)) for source, target in files]
    return _place_each(filled, below)


def write_each(files: Sequence[tuple[Path, bytes]]) -> list[Exception | None]:
    """Do what `publish_each` does, with (target, bytes) pairs."""
    return _place_each([(target, partial(_write_to, data)) for target, data in files])


def _place_each(
    files: Sequence[tuple[Path, Callable[[int], None]]], below: Path | None = None
) -> list[Exception | None]:
    """Put files in place, given as pairs of a target and a function that fills an open file."""
    found: list[Exception | None] = []
    for start in range(0, len(files), SYNC_TOGETHER):  # each is an open descriptor meanwhile
        found += _place_some(files[start : start + SYNC_TOGETHER], below)
    return found


def _place_some(
    files: Sequence[tuple[Path, Callable[[int], None]]], below: Path | None
) -> list[Exception | None]:
    errors: dict[int, Exception] = {}
    drafts: dict[int, Draft] = {}
    placed: dict[Path, list[int]] = {}
    try:
        for n, (target, fill) in enumerate(files):
            try:
                _make_folders(target.parent, below)
                drafts[n] = Draft(target, 0o666)
                fill(drafts[n].fd)
                crash_point("temp-written")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's alone
                errors[n] = error
        whole = [n for n in drafts if n not in errors]
        crash_point("before-fsync")
        try:
            if len(whole) >= SYNC_APART:
                _sync_filesystems({files[n][0].parent for n in whole})
            else:
                for n in whole:
                    os.fsync(drafts[n].fd)
        except OSError as error:
            errors |= dict.fromkeys(whole, error)
        crash_point("after-fsync")
        for n in [n for n in whole if n not in errors]:
            crash_point("before-rename")
            try:
                drafts[n].put()
            except Exception as error:  # noqa: BLE001 - as above
                errors[n] = error
                continue
            crash_point("after-rename")
            placed.setdefault(files[n][0].parent, []).append(n)
    finally:  # also after Ctrl-C
        for draft in drafts.values():
            draft.close()
    try:
        sync_folders(placed)
    except OSError as error:
        errors |= {n: error for members in placed.values() for n in members}
    return [errors.get(n) for n in range(len(files))]


def _copy_from(source: Path, to_fd: int) -> None:
    from_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _copy(from_fd, to_fd)
    finally:
        os.close(from_fd)


def _write_to(data: bytes, fd: int) -> None:
    write_all(fd, data)


def sync_files(paths: Collection[str | Path], folders: Iterable[Path]) -> None:
    """Put the bytes of files on the disk.

    Args:
        paths: the files.
        folders: folders of these files, at least one on each file system. Many files are not
            synced one by one: the whole file system is.

    Raises:
        OSError: a file does not exist any more, or the disk reported an error.
    """
    if len(paths) >= SYNC_APART:
        _sync_filesystems(folders)
        return
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sync_folders(folders: Collection[Path]) -> None:
    """Put the names in some folders on the disk; see `sync_folder`."""
    if len(folders) >= SYNC_APART:
        _sync_filesystems(folders)
        return
    for folder in folders:
        sync_folder(folder)


def _sync_filesystems(folders: Iterable[Path]) -> None:
    for folder in {folder.stat().st_dev: folder for folder in folders}.values():
        sync_filesystem(folder)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk. Without this, a power cut may undo a rename.

    Raises:
        OSError: the folder does not exist any more, or the disk reported an error.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network and FUSE file systems cannot sync a folder, and do not need to.
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(fd)


def sync_filesystem(path: Path) -> None:
    """Put everything written so far on the file system of `path` on its disk.

    Raises:
        OSError: the path does not exist any more, or the disk reported an error.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not libc.sync_filesystem_of(fd):
            os.sync()
    finally:
        os.close(fd)


@contextlib.contextmanager
def temporary_beside(target: Path, mode: int) -> Iterator[tuple[int, Path]]:
    """Make a temporary file in the folder of `target`; it is removed if the block raises."""
    temporary = temporary_name(target)
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        yield fd, temporary
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(fd)


def _put_in_place(fd: int, temporary: Path, target: Path) -> None:
    crash_point("temp-written")
    crash_point("before-fsync")
    os.fsync(fd)
    crash_point("after-fsync")
    crash_point("before-rename")
    temporary.rename(target)
    crash_point("after-rename")


def _make_folders(folder: Path, below: Path | None) -> None:
    missing = []
    while not folder.is_dir():
        if folder == below:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(folder))
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def _copy(from_fd: int, to_fd: int) -> None:
    if share_extents(from_fd, to_fd):
        return
    try:
        copied = 0
        while count := os.copy_file_range(from_fd, to_fd, COPY_RANGE_BYTES):
            copied += count
        # Some file systems return 0 for a file that has bytes, so the size decides.
        if copied == os.fstat(from_fd).st_size:
            return
    except OSError as error:
        if error.errno not in _CANNOT_COPY_RANGE:
            raise
    os.lseek(from_fd, 0, os.SEEK_SET)
    os.lseek(to_fd, 0, os.SEEK_SET)
    os.ftruncate(to_fd, 0)
    while chunk := os.read(from_fd, CHUNK_BYTES):
        write_all(to_fd, chunk)


def share_extents(from_fd: int, to_fd: int) -> bool:
    """Give a file the bytes of another without copying them, if the file system can."""
    try:
        fcntl.ioctl(to_fd, FICLONE, from_fd)
    except OSError:  # another file system, no support
        return False
    return True


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, although one write(2) may take less.

    Raises:
        OSError: the disk is full or fails.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
