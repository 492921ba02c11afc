"""A file that is being written and has no name yet, until it is put in place whole.

A temporary name in a person's folder is seen by those who copy the folder meanwhile (rsync, a sync
program), and stays in their copy for good. So the file has no name at all where the file system can
do that. Where it cannot (exFAT, most network and FUSE file systems), it has a temporary name.

Source: open(2), O_TMPFILE; linkat(2).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def temporary_name(target: Path) -> Path:
    """Return a new temporary name in the folder of `target`.

    It is short and always of one length. A prefix to a name of 255 bytes would be too long.
    """
    return target.with_name(f".pixd-{secrets.token_hex(6)}.tmp")


class Draft:
    """One file for one target. Write into `fd`, make it durable, then `put` it; close it at the end."""

    def __init__(self, target: Path, mode: int) -> None:
        """Open a new file on the file system of `target`, whose folder exists.

        Args:
            target: where it will go.
            mode: permission bits, before the umask.

        Raises:
            OSError: nothing can be made there.
        """
        self._target = target
        self._name: Path | None = None
        self.fd = _unnamed(target.parent, mode)
        if self.fd < 0:
            self._name = temporary_name(target)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self.fd = os.open(self._name, flags, mode)

    def put(self) -> None:
        """Give the file its name; what has the name is replaced at once.

        Raises:
            OSError: the folder cannot be written; the old file stays.
        """
        if self._name is None:
            try:
                self._link(self._target)
            except FileExistsError:
                # Only rename replaces a file at once. So it has a temporary name between two calls.
                name = temporary_name(self._target)
                self._link(name)
                self._name = name
            else:
                return
        self._name.rename(self._target)
        self._name = None

    def _link(self, name: Path) -> None:
        # Python follows the link to the open file only where it is given the descriptor of a folder:
        # without one it calls link(2), which never does. The path is absolute, so any will do.
        os.link(f"/proc/self/fd/{self.fd}", name, src_dir_fd=self.fd, follow_symlinks=True)

    def close(self) -> None:
        """Close the file; what was not put in place is gone."""
        os.close(self.fd)
        if self._name is not None:
            with contextlib.suppress(OSError):
                self._name.unlink()


def _unnamed(folder: Path, mode: int) -> int:
    """Return a new file without a name in a folder, or -1 where that cannot be."""
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)
    except OSError:  # EOPNOTSUPP, EISDIR of old kernels; a real refusal comes again with a name
        return -1
    if Path(f"/proc/self/fd/{fd}").exists():  # the way by which it gets its name
        return fd
    os.close(fd)
    return -1
