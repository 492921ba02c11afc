"""The folder of one attempt on a machine of a cluster, and the end of those that were left.

The kernel lock on the file beside it ends with the process that holds it, however that ends. A program
that waits for the lock removes the folder then; and the next host on the machine removes what is left
where that could not, because all processes were killed at once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pixd.system.errors import PixdError


class OutsideError(PixdError):
    """A path that was asked for is not inside the folder of the attempt."""


def cache_folder() -> Path:
    """Return the folder of everything that pixd keeps on a machine that works for others."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pixd"


class WorkFolder:
    """A folder that belongs to one attempt while its host lives."""

    def __init__(self, above: Path, attempt: str) -> None:
        """Make it in `above`, after removing what dead hosts left there."""
        above.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = above / attempt
        self._lock_path = above / f"{attempt}.lock"
        _remove_left(above)
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path.mkdir(mode=0o700)
        self._have_removed_at_death()

    def _have_removed_at_death(self) -> None:
        """Have another process wait for the lock, and remove the folder then, if flock is installed.

        Who stops a service ends all hosts at once, and Ray gives none the time to do it. It also ends
        the children of a host; so the one that waits is nobody's child.
        """
        # The lock's file is opened here and now: flock would make one that has gone meanwhile.
        script = 'exec 9<"$1"; { flock 9 && rm -rf -- "$0" "$1"; } &'
        subprocess.run(
            ["/bin/sh", "-c", script, os.fspath(self.path), os.fspath(self._lock_path)],
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def inside(self, path: str) -> Path:
        """Return the absolute path of what is inside this folder.

        Raises:
            OutsideError: it is not.
        """
        found = Path(os.path.normpath(self.path / path))
        if not found.is_relative_to(self.path):
            raise OutsideError(f"not inside the attempt's folder: {path!r:.200}")
        return found

    def remove(self) -> None:
        """Remove it, and let go of its lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)


def _remove_left(above: Path) -> None:
    for lock in above.glob("*.lock"):
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # somebody works there
        else:
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
        finally:
            os.close(fd)


def whole_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below it, by name, without those that are being written."""
    for path in sorted(folder.rglob("*")):
        is_unfinished = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not is_unfinished:
            yield path
