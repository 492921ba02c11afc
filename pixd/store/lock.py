"""The lock of one store. Its holder may write; the kernel releases it when the holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from pixd.system.errors import CannotTellError, StoreBusyError, StoreError

LOCK = "lock"
LOCK_PATIENCE_S = 0.2
"""A caller of `holder_pid` shares the lock for an instant. A service that starts waits for it."""


class StoreLock:
    """The exclusive lock of one store; the kernel releases it when the holder dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of the store in `folder`, which must exist.

        Raises:
            StoreBusyError: another process holds it; the message names its pid.
            StoreError: the user may not write it, or its file system cannot lock a file.
        """
        path = folder / LOCK
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError as error:
            raise StoreError(
                f"you may not write the store {folder}",
                advice="ask as the user that runs pixd (sudo -u), or join its group",
            ) from error
        try:
            is_taken = self._is_taken_within(LOCK_PATIENCE_S)
        except OSError as error:
            os.close(self._fd)
            raise StoreError(
                f"the file system of {folder} cannot lock a file ({error.strerror}), and without a"
                " lock two services would write the store",
                advice="name a folder on another disk with `store` in config.yaml",
            ) from error
        if not is_taken:
            holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreBusyError(
                f"another pixd (pid {holder}) holds the store {folder}",
                advice="ask it with `pixd status`, or stop it first",
            )
        os.ftruncate(self._fd, 0)
        # The pid is only for messages; the lock itself decides.
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _is_taken_within(self, patience_s: float) -> bool:
        ends_at = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > ends_at:
                    return False
                time.sleep(0.005)
            else:
                return True

    def release(self) -> None:
        """Release the lock. Children never hold it: the descriptor is close-on-exec."""
        os.close(self._fd)


def holder_pid(folder: Path) -> int | None:
    """Return the pid of the process that holds the store's lock, or None.

    Needs only read permission: it tries a shared lock and releases it at once.

    Raises:
        CannotTellError: the caller may not even read it.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise may_not_read(folder) from error
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 64, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    except OSError:  # a file system without locks: no service can hold it
        return None
    else:
        return None
    finally:
        os.close(fd)


def may_not_read(folder: Path) -> CannotTellError:
    """Return the error for a caller that may not read a store."""
    return CannotTellError(
        f"you may not read the store {folder}",
        advice="ask as the user that runs pixd (sudo -u), or join its group",
    )
