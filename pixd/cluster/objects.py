"""A bounded cache of files by content on a machine of a cluster.

What a bridge sends is kept under its digest, so that the next attempt on this machine need not get it
again. All hosts of a machine share the cache: a file appears under its name only when it is whole and
hashed. The least recently used goes first. An attempt has hard links to what it works with, so
nothing that is in use can go.

What is still coming is a part. Who writes it holds its kernel lock, which ends with that process, so
that what a host left that was killed is known for that, and is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from pathlib import Path

from pixd.system.digests import digest_of
from pixd.system.errors import PixdError

PART = ".part"
FREED_TO = 0.9  # of the bound: so that not every file that comes makes another go


class DamagedObjectError(PixdError):
    """Bytes that came are not those that their digest names."""


class _Part:
    """What has come of an object. It is locked as long as this process writes it."""

    def __init__(self, folder: Path) -> None:
        while True:
            self.path = folder / f".{secrets.token_hex(8)}{PART}"
            self.file = self.path.open("xb+")
            fcntl.flock(self.file, fcntl.LOCK_EX)
            if os.fstat(self.file.fileno()).st_nlink:
                return
            self.file.close()  # who cleaned up was between the two lines

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: they cannot be written; then there is no part any more.
        """
        try:
            self.file.write(data)
            self.file.flush()
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Give it up."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what it could not write it says again
            self.file.close()


class Objects:
    """The cache in one folder."""

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        """Use `folder`, which is made, and keep at most about `bound_bytes` in it."""
        self._folder = folder
        self._bound_bytes = bound_bytes
        self._parts: dict[str, _Part] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._size_bytes = self._clean() + sum(size for _, size, _ in self._all())

    def path_of(self, digest: str) -> Path:
        """Return where the bytes of a digest are, or would be."""
        name = digest.removeprefix("sha256:")
        if len(name) != hashlib.sha256().digest_size * 2 or not name.isalnum():
            raise DamagedObjectError(f"no digest: {digest!r:.80}", advice="update pixd everywhere")
        return self._folder / name[:2] / name

    def lacks(self, digests: list[str]) -> list[str]:
        """Return which of these are not here. Those that are count as used now."""
        return [digest for digest in digests if not self._touch(self.path_of(digest))]

    def add(self, digest: str, data: bytes) -> None:
        """Keep the bytes of a digest.

        Raises:
            DamagedObjectError: they are others.
        """
        if digest_of(data) != digest:
            raise _damaged(digest)
        part = _Part(self._folder)
        part.write(data)
        self._arrive(digest, part)

    def add_part(self, digest: str, offset: int, data: bytes, *, is_last: bool) -> None:
        """Keep the next bytes of a large object; after the last it is hashed and has its name.

        Raises:
            DamagedObjectError: a part is missing, or the whole has another digest.
        """
        part = self._parts.pop(digest, None)
        if offset == 0:
            if part is not None:
                part.remove()  # it is sent anew
            part = _Part(self._folder)
        if part is None:
            raise _damaged(digest)
        if part.file.tell() != offset:
            part.remove()
            raise _damaged(digest)
        part.write(data)
        if not is_last:
            self._parts[digest] = part
            return
        part.file.seek(0)
        if "sha256:" + hashlib.file_digest(part.file, "sha256").hexdigest() != digest:
            part.remove()
            raise _damaged(digest)
        self._arrive(digest, part)

    def link(self, digest: str, target: Path) -> bool:
        """Make `target` a hard link to an object; tell whether the object is here."""
        source = self.path_of(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.unlink(missing_ok=True)
            target.hardlink_to(source)
        except FileNotFoundError:
            return False
        self._touch(source)
        return True

    def _arrive(self, digest: str, part: _Part) -> None:
        target = self.path_of(digest)
        target.parent.mkdir(exist_ok=True)
        part.path.chmod(0o400)
        size = os.fstat(part.file.fileno()).st_size
        part.path.rename(target)
        part.file.close()
        self._size_bytes += size
        if self._size_bytes > self._bound_bytes:
            self._make_room(but=target)

    def _clean(self) -> int:
        """Remove the parts that no host writes any more; return how many bytes the others have."""
        size = 0
        for path in self._folder.glob(f".*{PART}"):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    size += os.fstat(file.fileno()).st_size
                else:
                    path.unlink()
        return size

    def _make_room(self, *, but: Path) -> None:
        """Remove what was used longest ago. Other hosts add and remove too, so it is counted anew."""
        found = sorted(self._all())
        self._size_bytes = self._clean() + sum(size for _, size, _ in found)
        for _, size, path in found:
            if self._size_bytes <= FREED_TO * self._bound_bytes:
                return
            if path != str(but):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 - text, because there may be a million
                self._size_bytes -= size

    def _all(self) -> list[tuple[float, int, str]]:
        """Return when each object was last used, its size and its path."""
        found = []
        for folder in os.scandir(self._folder):
            if folder.name.startswith("."):
                continue
            for entry in os.scandir(folder.path):
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat()
                    found.append((about.st_mtime, about.st_size, entry.path))
        return found

    def _touch(self, path: Path) -> bool:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True


def _damaged(digest: str) -> DamagedObjectError:
    return DamagedObjectError(
        f"{digest} changed on its way", advice="it is sent again; look at the network if it recurs"
    )
