"""A bounded cache of files by content on a machine of a cluster.

What a bridge sends is kept under its digest, so that the next attempt on this machine need not get it
again. All hosts of a machine share the cache: a file appears under its name only when it is whole and
hashed. The least recently used goes first. An attempt has hard links to what it works with, so
nothing that is in use can go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from pixd.system.digests import digest_of
from pixd.system.errors import PixdError

FREED_TO = 0.9  # of the bound: so that not every file that comes makes another go


class DamagedObjectError(PixdError):
    """Bytes that came are not those that their digest names."""


class Objects:
    """The cache in one folder."""

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        """Use `folder`, which is made, and keep at most about `bound_bytes` in it."""
        self._folder = folder
        self._bound_bytes = bound_bytes
        self._parts: dict[str, Path] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._size_bytes = sum(size for _, size, _ in self._all())

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
        part = self._part()
        part.write_bytes(data)
        self._arrive(digest, part, len(data))

    def add_part(self, digest: str, offset: int, data: bytes, *, is_last: bool) -> None:
        """Keep the next bytes of a large object; after the last it is hashed and has its name.

        Raises:
            DamagedObjectError: a part is missing, or the whole has another digest.
        """
        if offset == 0:
            self._parts[digest] = self._part()
        part = self._parts.get(digest)
        if part is None or (part.stat().st_size if offset else 0) != offset:
            raise _damaged(digest)
        with part.open("ab") as file:
            file.write(data)
        if not is_last:
            return
        del self._parts[digest]
        with part.open("rb") as file:
            if "sha256:" + hashlib.file_digest(file, "sha256").hexdigest() != digest:
                part.unlink()
                raise _damaged(digest)
        self._arrive(digest, part, part.stat().st_size)

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

    def _part(self) -> Path:
        return self._folder / f".{secrets.token_hex(8)}.part"

    def _arrive(self, digest: str, part: Path, size: int) -> None:
        target = self.path_of(digest)
        target.parent.mkdir(exist_ok=True)
        part.chmod(0o400)
        part.rename(target)
        self._size_bytes += size
        if self._size_bytes > self._bound_bytes:
            self._make_room(but=target)

    def _make_room(self, *, but: Path) -> None:
        """Remove what was used longest ago. Other hosts add and remove too, so it is counted anew."""
        found = sorted(self._all())
        self._size_bytes = sum(size for _, size, _ in found)
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
