"""The files that are missing, and when their removal may be recorded.

A name that now holds what may not be taken, such as a link out of the folder, counts as missing
too: its file is gone, whatever took its place.

Promises: removals of one spell are recorded together, once no more follow for `settle_seconds`,
but at the latest `LOSS_PATIENCE_S` after the first. A file that comes back before is forgotten.

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
        self.recorded = 0  # removals of the present spell, in which files go one after another

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

    def miss(self, name: str, now: float, instead: str = "") -> None:
        """Note that a file is not there. `instead`: why what is there may not be taken, or ""."""
        self._instead.pop(name, None)
        if instead:
            self._instead[name] = instead
        if name not in self._since:
            self._since[name] = now
            self._last_at = now

    def found(self, name: str) -> None:
        """Note that a file is there (again)."""
        self._since.pop(name, None)
        self._instead.pop(name, None)

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
        has_rested = now >= self._last_at + self._settle_s
        names = {name: self._instead.get(name, "") for name in self._since}
        self.recorded = 0 if has_rested else self.recorded + len(names)
        self._since.clear()
        self._instead.clear()
        return names

    def clear(self) -> None:
        """Forget all, because the folder is not believed."""
        self._since.clear()
        self._instead.clear()
        self.recorded = 0
