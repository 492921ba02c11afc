"""Bytes kept by content: ``objects/ab/cdef...``, read-only, each named by its SHA-256.

Promises: a name never holds other bytes; bytes are on disk before any row names them.
A file arrives under a temporary name. `flush` makes a batch durable with one filesystem
sync, and only then gives the bytes their names.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pixd.system import crash_points, durable
from pixd.system.digests import digest_of, hash_descriptor
from pixd.system.durable import CHUNK_BYTES, write_all


class SourceError(OSError):
    """The file to be copied cannot be read; the store itself works."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: its digest (``sha256:...``) and its size."""

    digest: str
    size_bytes: int


class ObjectStore:
    """The folder ``objects`` of one store."""

    def __init__(self, folder: Path) -> None:
        """Open (and make) the object store in `folder`."""
        self.folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        # Text, not Path: for thousands of small files, joining Paths takes noticeable time.
        self._folder_text = os.fspath(folder)
        self._waiting: dict[str, str] = {}
        self._unsynced: set[Path] = set()  # folders with names that may not be on the disk yet

    def path_of(self, digest: str) -> Path:
        """Return where the bytes of `digest` are, or would be."""
        hexadecimal = digest.removeprefix("sha256:")
        waiting = self._waiting.get(digest)
        return Path(waiting) if waiting else self.folder / hexadecimal[:2] / hexadecimal[2:]

    def has(self, digest: str) -> bool:
        """Tell whether the bytes are there."""
        return digest in self._waiting or os.path.exists(self._place(digest))  # noqa: PTH110 - text, see __init__

    def _place(self, digest: str) -> str:
        return f"{self._folder_text}/{digest[7:9]}/{digest[9:]}"

    def _temporary(self) -> str:
        return f"{self._folder_text}/incoming/{secrets.token_hex(8)}"

    def discard_incoming(self) -> None:
        """Remove files whose arrival was interrupted by a crash or a disk error.

        Nothing that arrived since the last `flush` is kept. After a failed fsync the kernel may
        count bytes as written that are not, so they must be copied again from their source.
        Source: https://wiki.postgresql.org/wiki/Fsync_Errors
        """
        self._waiting.clear()
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def take(self, fd: int) -> StoredObject:
        """Copy the open file `fd` into the store, and hash exactly the bytes that are kept.

        The copy shares extents where the file system can (reflink). It is never a hard link,
        because an edit in place would then change history. It is not durable, and not under its
        name, until `flush`.

        Raises:
            SourceError: `fd` cannot be read.
            OSError: the store cannot be written.
        """
        temporary = self._temporary()
        sha = hashlib.sha256()
        size = 0
        out = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            cloned = durable.share_extents(fd, out)
            # Ask for one byte more than the size: then one read gets the whole of a small file.
            at_once = min(os.fstat(fd).st_size + 1, CHUNK_BYTES)
            while chunk := os.read(out, at_once) if cloned else _read_source(fd, at_once):
                sha.update(chunk)
                size += len(chunk)
                if not cloned:
                    write_all(out, chunk)
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108 - text, see __init__
            raise
        finally:
            os.close(out)
        return self._arrive(temporary, "sha256:" + sha.hexdigest(), size)

    def add(self, data: bytes) -> StoredObject:
        """Keep `data`. Not durable, and not under its name, until `flush`."""
        digest = digest_of(data)
        if self.has(digest):
            return StoredObject(digest, len(data))
        temporary = self._temporary()
        out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            write_all(out, data)
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108 - text, see __init__
            raise
        finally:
            os.close(out)
        return self._arrive(temporary, digest, len(data))

    def adopt(self, path: Path) -> StoredObject:
        """Move a file that a child left into the store, re-hashing it first."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(fd, 0o444)
            digest, size = hash_descriptor(fd)
        finally:
            os.close(fd)
        temporary = self._temporary()
        path.rename(temporary)
        return self._arrive(temporary, digest, size)

    def _arrive(self, temporary: str, digest: str, size: int) -> StoredObject:
        if self.has(digest):
            os.unlink(temporary)  # noqa: PTH108 - text, see __init__
        else:
            self._waiting[digest] = temporary
        return StoredObject(digest, size)

    def flush(self) -> None:
        """Make everything taken since the last flush durable and give it its name."""
        if not self._waiting and not self._unsynced:
            return
        crash_points.crash_point("before-fsync")
        durable.sync_files(self._waiting.values(), [self.folder])
        crash_points.crash_point("after-fsync")
        folders = self._unsynced
        folders.update(self.folder / prefix for prefix in {d[7:9] for d in self._waiting})
        for folder in folders:
            folder.mkdir(exist_ok=True)
        crash_points.crash_point("before-rename")
        for digest in list(self._waiting):  # one by one, so that an error leaves `path_of` true
            os.rename(self._waiting[digest], self._place(digest))  # noqa: PTH104 - text, see __init__
            del self._waiting[digest]
        durable.sync_folders([*folders, self.folder])
        folders.clear()
        crash_points.crash_point("object-written")


def _read_source(fd: int, at_once: int) -> bytes:
    try:
        return os.read(fd, at_once)
    except OSError as error:
        raise SourceError(error.errno, error.strerror) from error
