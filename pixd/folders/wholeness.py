"""Does a file that is still look like one that somebody has not written completely?

Size, time and the first and last bytes do not tell: downloaders and restorers give a file its final
size first and fill it in any order, and a JPEG with zeros in the middle decodes. So four signs are
looked for, and each says no more than it can:

- a program has the file open for writing (a read lease is refused);
- a sidecar of a downloader beside it says that it is unfinished;
- a part was never written (a hole, on file systems that tell);
- zeros fill whole blocks inside compressed data, where no coder writes them.

The first two are reasons to wait. The others are reasons to refuse the file, as long as it stays as
it is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from typing import TYPE_CHECKING, Final

from pixd.folders.ignored import SIDECARS
from pixd.images.formats import format_of
from pixd.system.names import path_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE: Final = 16 << 10
"""Bytes. Nothing smaller is fetched in parts, and a burst of small files is not slowed down."""
LONGEST_OPEN_S: Final = 600.0
"""Seconds. Some programs never close what they have written. So a file that is still and open is
taken after this time, if it is whole."""
BLOCK: Final = 4096  # bytes; the pages and blocks of Linux file systems
_HEAD_BYTES: Final = 512
_CHUNK_BYTES: Final = 1 << 20
_COMPRESSED: Final = frozenset({"JPEG", "WEBP", "AVIF", "HEIC"})
"""PNG and GIF have no need of it: a checksum or the coder finds what is missing."""
_SLACK: Final = 8
"""Bytes by which zeros of the picture itself may make a run of zeros longer at each end."""
_JPEG_MARK: Final = 0xFF
_JPEG_SCAN: Final = 0xDA
_JPEG_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_MOST_SEGMENTS: Final = 10_000


class Patience:
    """How long files have waited because a program has them open for writing."""

    def __init__(self) -> None:
        """Wait for nothing yet."""
        self._since: dict[str, float] = {}

    def is_over(self, name: str, now: float) -> bool:
        """Tell whether a file is taken although it is still open (monotonic seconds)."""
        return now - self._since.get(name, now) >= LONGEST_OPEN_S

    def begins(self, name: str, now: float) -> bool:
        """Note that a file waits; tells whether it did not before."""
        is_new = name not in self._since
        self._since.setdefault(name, now)
        return is_new

    def end(self, name: str) -> None:
        """Forget a file: it was read, or is gone."""
        self._since.pop(name, None)


def being_written(fd: int) -> bool:
    """Tell whether a program has the file open for writing. Where nobody can tell, it has not.

    Args:
        fd: the file, open for reading only.

    Source: fcntl(2), F_SETLEASE: EAGAIN if the file is open for writing. Only the owner of the file
        or a process with CAP_LEASE may ask, and FUSE and most network file systems have no leases.
    """
    try:
        # Should somebody open the file in the instant of the lease, the kernel sends this signal,
        # which does nothing, in place of SIGIO, which would end the process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def sidecar_of(root: Path, name: str) -> str:
    """Return the name of a sidecar that says that a file is unfinished, or "".

    Args:
        root: the watched folder.
        name: name text of the file.
    """
    path = os.fspath(path_in(root, name))
    return next((name + ending for ending in SIDECARS if os.path.lexists(path + ending)), "")


def missing_part(fd: int, size: int) -> str:
    """Return what of the bytes was never written, for people; "" if nothing is known to be missing.

    Args:
        fd: the open file; its position may change.
        size: its size, bytes.

    Raises:
        OSError: it cannot be read.
    """
    if hole := _first_hole(fd, size):
        start, end = hole
        return (
            f"bytes {start} to {end} of {size} were never written: a download or copy that broke"
            " off? If it is meant to be so, copy it with `cp --sparse=never`"
        )
    kind = format_of(os.pread(fd, _HEAD_BYTES, 0))
    if kind is None or kind.name not in _COMPRESSED or size < BLOCK:
        return ""
    begin = _scan_of_jpeg(fd, size) if kind.name == "JPEG" else 0
    for start, end in _runs_of_zeros(fd, begin, size):
        if _is_at_block(start, end, size):
            return (
                f"bytes {start} to {end} of {size} are zeros in the middle of compressed data: a"
                " download or copy that broke off?"
            )
    return ""


def _first_hole(fd: int, size: int) -> tuple[int, int] | None:
    """Return where a part without bytes begins and ends. A file system that cannot tell has none."""
    try:
        start = os.lseek(fd, 0, os.SEEK_HOLE)
        if start >= size:
            return None
        try:
            end = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # the hole goes to the end
                raise
            end = size
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENXIO, errno.EOPNOTSUPP}:
            return None
        raise
    return start, end


def _scan_of_jpeg(fd: int, size: int) -> int:
    """Return where the compressed data of a JPEG begins. Before it, metadata may have zeros.

    Source: ITU-T T.81, B.1.1 (markers and their segments).
    """
    at = 2
    for _ in range(_MOST_SEGMENTS):
        head = os.pread(fd, 4, at)
        if len(head) < 4 or head[0] != _JPEG_MARK:  # noqa: PLR2004 - a marker and a length
            return size
        if head[1] == _JPEG_MARK:  # a byte of padding
            at += 1
        elif head[1] in _JPEG_ALONE:
            at += 2
        elif head[1] == _JPEG_SCAN:
            return at
        else:
            at += 2 + int.from_bytes(head[2:4])
    return size


def _runs_of_zeros(fd: int, begin: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the runs of zeros of at least a block, less what lies at its ends."""
    block = bytes(BLOCK - 2 * _SLACK)
    at = begin
    while at < size:
        chunk = os.pread(fd, _CHUNK_BYTES + len(block), at)
        if not chunk:
            return
        found = chunk.find(block)
        if found < 0:
            at += _CHUNK_BYTES
            continue
        start = at + found
        start -= _zeros_before(fd, start, begin)
        end = _end_of_zeros(fd, at + found + len(block), size)
        yield start, end
        at = end


def _zeros_before(fd: int, at: int, begin: int) -> int:
    """Return how many zeros lie directly before a place."""
    before = os.pread(fd, min(_SLACK + BLOCK, at - begin), max(begin, at - _SLACK - BLOCK))
    return len(before) - len(before.rstrip(b"\0"))


def _end_of_zeros(fd: int, at: int, size: int) -> int:
    while at < size:
        chunk = os.pread(fd, _CHUNK_BYTES, at)
        rest = chunk.lstrip(b"\0")
        if rest or not chunk:
            return at + len(chunk) - len(rest)
        at += len(chunk)
    return size


def _is_at_block(start: int, end: int, size: int) -> bool:
    """Tell whether zeros begin and end where blocks do, but for a few zeros of the picture itself.

    A coder may write many zeros too (a white page with tables made for it), but not from border to
    border.
    """
    first = -(-start // BLOCK) * BLOCK
    last = size if end >= size else end // BLOCK * BLOCK
    return last - first >= BLOCK and first - start <= _SLACK and end - last <= _SLACK
