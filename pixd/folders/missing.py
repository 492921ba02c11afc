"""The files that are missing, and when their removal may be recorded.

A name that now holds what may not be taken, such as a link out of the folder, counts as missing
too: its file is gone, whatever took its place.

Promises: removals of one spell are recorded together, once no more follow for `settle_seconds`,
but at the latest `LOSS_PATIENCE_S` after the first. A file that comes back before is forgotten.
By how much a folder shrank in a spell is counted, however long it is: what goes, less what comes. A
folder from which old files go as new ones come does not shrink.

Leaves to others: whether so many are missing that the folder is not believed
(`pixd.folders.hold`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOSS_PATIENCE_S = 30.0
"""Removals wait until no more follow, but no longer than this. An `rm` of a large folder may take
minutes, and the files that it removed must not stay listed for so long."""


class Losses:
    """The files that are missing and not recorded as removed yet."""

    def __init__(self, settle_seconds: float) -> None:
        """Miss nothing yet; removals wait until no other followed for `settle_seconds`."""
        self._settle_s = settle_seconds
        self._since: dict[str, float] = {}
        self._instead: dict[str, str] = {}  # what is there in place of the file, as a reason
        self._last_at = 0.0
        self.contents: set[str] = set()  # those of the missing whose content is recorded
        self.has_ended = True  # the spell, with the removals that were taken last
        self._shrunk = 0

    def __len__(self) -> int:
        """Return how many files are missing."""
        return len(self._since)

    def __contains__(self, name: str) -> bool:
        """Tell whether a file is missing."""
        return name in self._since

    def __iter__(self) -> Iterator[str]:
        """Yield their names, the first missed first."""
        return iter(self._since)

    @property
    def last_at(self) -> float:
        """When the last of them was missed (monotonic seconds)."""
        return self._last_at

    def shrunk_by(self, now: float) -> int:
        """Return by how many files of recorded content the folder shrank in the present spell.

        It counts against the most that it had since the spell began. `now`: monotonic seconds.
        """
        return 0 if self._is_over(now) else self._shrunk

    def _is_over(self, now: float) -> bool:
        return not self._since and now >= self._last_at + self._settle_s

    def miss(self, name: str, now: float, instead: str = "", *, has_content: bool = True) -> None:
        """Note that a file is not there.

        Args:
            name: name text.
            now: monotonic seconds.
            instead: why what is there may not be taken, or "".
            has_content: whether its content is recorded.
        """
        self._shrunk = self.shrunk_by(now)
        self._instead.pop(name, None)
        if instead:
            self._instead[name] = instead
        if name not in self._since:
            self._since[name] = now
            self._last_at = now
            if has_content:
                self.contents.add(name)
                self._shrunk += 1

    def found(self, name: str) -> None:
        """Note that a file is there (again)."""
        self._since.pop(name, None)
        self._instead.pop(name, None)
        if name in self.contents:
            self.contents.remove(name)
            self.have_come(1)

    def have_come(self, count: int) -> None:
        """Note that the contents of so many files more are recorded."""
        self._shrunk = max(0, self._shrunk - count)

    def next_at(self) -> float | None:
        """Return when the removals may be recorded (monotonic seconds), or None for nothing."""
        if not self._since:
            return None
        first_at = next(iter(self._since.values()))
        return min(self._last_at + self._settle_s, first_at + LOSS_PATIENCE_S)

    def take(self, now: float) -> dict[str, str]:
        """Return the files that may be recorded as removed now, and forget them.

        Each has the reason why what is there in its place may not be taken; "" if nothing is.
        """
        at = self.next_at()
        if at is None or now < at:
            return {}
        self.has_ended = now >= self._last_at + self._settle_s
        names = {name: self._instead.get(name, "") for name in self._since}
        if self.has_ended:
            self._shrunk = 0
        self._forget()
        return names

    def clear(self) -> None:
        """Forget all, because the folder is not believed."""
        self._forget()
        self._shrunk = 0

    def _forget(self) -> None:
        self._since.clear()
        self._instead.clear()
        self.contents.clear()
