"""Files that could not be read: each is tried again, after 5 s and then ever more rarely.

A slow disk, a missing network or a missing permission says nothing about the image, so it is
never refused for them. A file with a changed stamp (chmod changes the ctime) is tried at once.
Times are monotonic. A restart forgets all of this and tries every file again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.system import backoff

if TYPE_CHECKING:
    from pixd.system.stamps import FileStamp


class _Failed(NamedTuple):
    stamp: FileStamp
    attempts: int
    retry_at: float
    is_due: bool = False  # it was handed out, and the caller has not reported yet how it went


class Unreadable:
    """The files of one folder that could not be read."""

    def __init__(self) -> None:
        """Know of none."""
        self._failed: dict[str, _Failed] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._failed)

    def failed(self, name: str, stamp: FileStamp, now: float) -> tuple[float, bool]:
        """Note that a file could not be read.

        Returns:
            In how many seconds it is tried again, and whether it failed for the first time.
        """
        before = self._failed.get(name)
        attempts = before.attempts + 1 if before is not None else 1
        wait_s = backoff.spread_wait_s(attempts)
        self._failed[name] = _Failed(stamp, attempts, now + wait_s)
        return wait_s, attempts == 1

    def is_waiting(self, name: str, stamp: FileStamp) -> bool:
        """Tell whether a file with this stamp need not be looked at before its time."""
        failed = self._failed.get(name)
        return failed is not None and not failed.is_due and failed.stamp == stamp

    def due(self, now: float) -> list[tuple[str, FileStamp]]:
        """Hand out the files whose time has come, with the stamps that they failed under."""
        due = [name for name, f in self._failed.items() if not f.is_due and f.retry_at <= now]
        for name in due:
            self._failed[name] = self._failed[name]._replace(is_due=True)
        return [(name, self._failed[name].stamp) for name in due]

    def next_at(self) -> float | None:
        """Return when the next file is due (monotonic seconds), or None."""
        return min((f.retry_at for f in self._failed.values() if not f.is_due), default=None)

    def forget(self, name: str) -> None:
        """Note that a file was read, or is gone."""
        self._failed.pop(name, None)

    def clear(self) -> None:
        """Try all of them again at once."""
        self._failed.clear()
