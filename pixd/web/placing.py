"""Put a file into a watched folder: whole or not at all, in that folder and nowhere else.

Folders are made and walked by descriptor, and no link is followed. The bytes go into a file without
a name where the file system has such, so that a page that is killed leaves nothing behind. The name
comes last, by a rename that replaces nothing: the service takes a renamed file at once.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from pathlib import Path

from pixd.folders import ignored
from pixd.system import durable, libc, safe_open
from pixd.system.digests import hash_descriptor
from pixd.web import replies
from pixd.web.replies import RefusalError

LONGEST_NAME = 255  # bytes, of most file systems
LONGEST_PATH = 1024  # bytes below the folder
DEEPEST = 16
PREFIX = ".pixd-web-"
LEFT_AFTER_S = 3600.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o664  # before the umask: whoever shares the folder by its group may go on


def check_name(name: str) -> list[str]:
    """Return the parts of a name that a file may be put under.

    Raises:
        RefusalError: it is no such name; the message says why.
    """
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        raise _unfit("it is no UTF-8") from None
    if len(raw) > LONGEST_PATH:
        raise _unfit(f"it is longer than {LONGEST_PATH} bytes")
    parts = name.split("/")
    if len(parts) > DEEPEST:
        raise _unfit(f"it has more than {DEEPEST} parts")
    for part in parts:
        if not part or part.strip() != part:
            raise _unfit("a part of it is empty, or begins or ends with a space")
        if len(part.encode()) > LONGEST_NAME:
            raise _unfit(f"a part of it is longer than {LONGEST_NAME} bytes")
        if any(not char.isprintable() or char in "\\\u2028\u2029" for char in part):
            raise _unfit("it has a control character, an invisible one or a backslash")
        if ignored.is_ignored(part):
            raise _unfit(f"names like {part} are not looked at; give it another")
    return parts


class Upload:
    """One file on its way into a folder. All methods block."""

    def __init__(self, root: Path, parts: list[str]) -> None:
        """Open the folder, making those below the root that are missing.

        Raises:
            RefusalError: the root is gone, or something else is where a folder should be.
            OSError: the disk refuses.
        """
        self.size = 0
        self._name = parts[-1]
        self._hash = hashlib.sha256()
        self._fd = -1
        self._temporary = ""
        self._folder = _open_folder(root, parts[:-1])
        try:
            self._open()
        except BaseException:
            os.close(self._folder)
            raise

    def standing(self) -> tuple[int, str] | None:
        """Return size and digest of the file that has the name already, or None.

        Raises:
            RefusalError: what has the name is no file.
        """
        try:
            about = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(about.st_mode):
            raise RefusalError(
                replies.CONFLICT,
                f"{self._name} is there, and is no file",
                advice="give it another name",
            )
        fd = os.open(
            self._name,
            os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
            dir_fd=self._folder,
        )
        try:
            digest, size = hash_descriptor(fd)
        finally:
            os.close(fd)
        return size, digest

    def size_standing(self) -> int | None:
        """Return the size of what has the name already, without reading it; None: nothing has."""
        try:
            return os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def write(self, data: bytes) -> None:
        """Add some bytes.

        Raises:
            OSError: the disk refuses.
        """
        durable.write_all(self._fd, data)
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """The digest of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def place(self) -> bool:
        """Give the file its name; False if another has it already, which stays as it is.

        Raises:
            OSError: the disk refuses.
        """
        os.fsync(self._fd)
        if not self._temporary:
            name = _temporary()
            # Python follows the link to the open file only if it is given a folder's descriptor.
            os.link(
                f"/proc/self/fd/{self._fd}",
                name,
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
                follow_symlinks=True,
            )
            self._temporary = name
        try:
            if not libc.rename_new(self._temporary, self._name, self._folder):
                os.link(
                    self._temporary,
                    self._name,
                    src_dir_fd=self._folder,
                    dst_dir_fd=self._folder,
                    follow_symlinks=False,
                )
                os.unlink(self._temporary, dir_fd=self._folder)
        except FileExistsError:
            return False
        self._temporary = ""
        with contextlib.suppress(OSError):  # network file systems need not, and cannot
            os.fsync(self._folder)
        return True

    def close(self) -> None:
        """Close everything; what was not put in place is gone."""
        os.close(self._fd)
        if self._temporary:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)
        os.close(self._folder)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            self._fd = os.open(".", flags | os.O_TMPFILE, _MODE, dir_fd=self._folder)
            return
        self._temporary = _temporary()
        flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._fd = os.open(self._temporary, flags, _MODE, dir_fd=self._folder)


def clear_left(root: Path) -> None:
    """Remove what a killed page left at the top of a folder, where it needed a temporary name.

    What is younger than an hour may be on its way by another page.
    """
    oldest = time.time() - LEFT_AFTER_S
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry.path).unlink()


def _open_folder(root: Path, parts: list[str]) -> int:
    try:
        fd = safe_open.open_root(root)
    except safe_open.RootGoneError as error:
        raise RefusalError(replies.UNAVAILABLE, error.message, advice=error.advice) from error
    for part in parts:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o775, dir_fd=fd)
            below = os.open(part, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise RefusalError(
                    replies.CONFLICT,
                    f"{part} is there, and is no folder",
                    advice="give it another name",
                ) from error
            raise
        finally:
            os.close(fd)
        fd = below
    return fd


def _temporary() -> str:
    return f"{PREFIX}{secrets.token_hex(6)}.part"


def _unfit(why: str) -> RefusalError:
    return RefusalError(
        replies.UNPROCESSABLE, f"no file may have this name: {why}", advice="give it another name"
    )
