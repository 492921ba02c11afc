"""Files that were hashed so soon after a change that they are hashed once more.

A later change in the same clock tick would not show in the stamp (`pixd.store.files.RACY_NS`). So
the file is read again: not before `RACY_S` after the first time, and once a scan has found that it
still has its stamp and `settle_seconds` have passed since. That look decides.

After a burst this concerns every file of it at once. So there is one entry in a dict for each, and
no copy of the stamp, which is in what the store knows of the file.

Leaves to others: reading the file, and what follows if it has changed (`pixd.folders.tracking`).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pixd.store.files import RACY_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

RACY_S = RACY_NS / 1e9


class SecondLooks:
    """The files of one folder that are read once more. All times are monotonic seconds."""

    def __init__(self, settle_seconds: float) -> None:
        """Wait for none; `settle_seconds` is how long a file must be still."""
        self._settle_s = settle_seconds
        self._read_at: dict[str, float] = {}
        self._found_at: dict[str, float] = {}  # by a scan; in the order of the times

    def __contains__(self, name: str) -> bool:
        """Tell whether a scan has found a file, so that it is read once more."""
        return name in self._found_at

    def read(self, name: str, now: float) -> None:
        """Note that a file was read for the first time. Many share one `now`, and so its memory."""
        self._read_at[name] = now

    def found(self, name: str, now: float) -> None:
        """Note that a scan found a file with its stamp; too soon after it was read is no news."""
        if name not in self._found_at and now >= self._read_at.get(name, -RACY_S) + RACY_S:
            self._read_at.pop(name, None)
            self._found_at[name] = now

    def postpone(self, name: str, now: float) -> None:
        """Let a file that is due wait once more for as long as it must be still."""
        self._found_at.pop(name, None)
        self._found_at[name] = now

    def changed(self, name: str) -> None:
        """Forget that a scan found a file, because it is another now, or could not be read."""
        self._found_at.pop(name, None)

    def forget(self, name: str) -> None:
        """Forget a file: it was read once more, or is gone."""
        self._read_at.pop(name, None)
        self._found_at.pop(name, None)

    def set_aside(self) -> None:
        """Forget what scans found; the next one finds it again."""
        self._found_at = {}

    def due(self, now: float, limit: int) -> Iterator[str]:
        """Yield at most `limit` files that are due. They stay due until `forget` or `changed`."""
        for name, found_at in list(islice(self._found_at.items(), limit)):
            if found_at + self._settle_s > now:
                return
            yield name

    def next_at(self) -> float | None:
        """Return when the next file is due, or None."""
        if not self._found_at:
            self._found_at = {}  # the old one would keep the room of all that were in it
            return None
        return next(iter(self._found_at.values())) + self._settle_s
