"""Where each file of a watched folder stands between a look at it and the commit.

Every name that was seen is known; one that is new or changed settles, one that is no file is
refused, one that cannot be read waits, one that is not there is missed. Leaves to others: the
looking and the committing (`pixd.folders.intake`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.folders.missing import Losses
from pixd.folders.recorder import REFUSED, Recorder
from pixd.folders.settle import Settling
from pixd.folders.unreadable import Unreadable
from pixd.store.files import RACY_NS, KnownFile
from pixd.store.states import FileState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixd.folders.settle import Ready
    from pixd.store.store import Store
    from pixd.system.stamps import FileStamp

RACY_S = RACY_NS / 1e9
_NEW = KnownFile(
    FileState.SETTLING, None, 0, 0, 0, 0, 0, is_racy=False
)  # one for all: a burst is large


class Tracking:
    """The files of one watched folder.

    Attributes:
        known: what the store knows of each.
        settling: those that are not still yet.
        recorder: those that were read and wait for the commit.
        losses: those that are missing.
        unreadable: those that could not be read and are tried again.
    """

    def __init__(
        self, store: Store, pipeline: str, kind: str, settle_seconds: float, max_file_bytes: int
    ) -> None:
        """Begin with what the store knows of the repo of `pipeline` and `kind`."""
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._settle_s = settle_seconds
        self.known: dict[str, KnownFile] = {}
        self.recorder = Recorder(store, pipeline, kind, self.known, max_file_bytes)
        self.repo_id = self.recorder.repo_id
        self.known.update(store.working.load(self.repo_id))
        self.settling = Settling(settle_seconds)
        self.losses = Losses(settle_seconds)
        self.unreadable = Unreadable()
        self._rechecks: set[str] = set()  # recorded under a racy stamp, read once more
        self._recheck_at: dict[str, float] = {}
        self._unlisted: dict[str, str] = {}  # what a scan could not even look at, with why

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing is on the way to a commit."""
        # A second look at bytes that are recorded already changes nothing for anybody yet.
        return not (self.is_settling or self.losses or self.recorder)

    @property
    def is_settling(self) -> bool:
        """Tell whether files with content that is not recorded yet are still settling."""
        return len(self.settling) > len(self._rechecks)

    @property
    def cannot_be_read(self) -> int:
        """How many files and folders cannot be read now."""
        return len(self.unreadable) + len(self._unlisted)

    def reload(self) -> None:
        """Take the rows anew, and try at once what could not be read: a command asked for it."""
        self.recorder.clear()  # gc may have moved what was read and not committed yet
        self.known.clear()
        self.known.update(self._store.working.load(self.repo_id))
        self.unreadable.clear()
        self._unlisted.clear()

    def set_all_aside(self) -> None:
        """Forget what was under way; the next scan finds it again."""
        self.settling = Settling(self._settle_s)
        self._rechecks.clear()
        self.unreadable.clear()
        self.losses.clear()
        self.recorder.clear()

    def observe(self, stamps: Iterable[tuple[str, FileStamp]], now: float) -> bool:
        """Take note of files that are there; tells whether any is new or changed."""
        unsettled: list[str] = []
        known_as = self.known.get
        for name, stamp in stamps:
            known = known_as(name)
            if (
                known is not None
                and known.state is not FileState.SETTLING
                # The whole stamp at once first: of 100,000 files that rest this is half the time.
                and (known[2:7] == stamp or known.matches(stamp))
            ):
                if known.is_racy and now >= self._recheck_at.get(name, 0.0):
                    self.settling.observe(name, stamp, now)
                    self._rechecks.add(name)
                continue
            if self.unreadable.is_waiting(name, stamp) or self.recorder.has_read(name, stamp):
                continue
            self.recorder.drop(name)
            self.settling.observe(name, stamp, now)
            self._rechecks.discard(name)
            if known is None or known.state is not FileState.SETTLING:
                unsettled.append(name)
                self.known[name] = _settling_again(known)
        if unsettled:
            self._store.working.mark_settling(self.repo_id, unsettled)
        return bool(unsettled)

    def miss(self, name: str, now: float) -> None:
        """Take note that a file is not there."""
        self._set_aside(name)
        self.losses.miss(name, now)

    def _set_aside(self, name: str) -> None:
        """Forget what was under way for a file."""
        self.settling.forget(name)
        self._rechecks.discard(name)
        self.recorder.drop(name)
        self.unreadable.forget(name)
        self._recheck_at.pop(name, None)

    def refuse(self, reasons: dict[str, str]) -> None:
        """Take note of what stands under a name and is no file that may be taken."""
        new: dict[str, str] = {}
        for name, reason in reasons.items():
            known = self.known.get(name)
            if known == REFUSED:
                continue
            self._set_aside(name)
            self.losses.found(name)
            if known is not None and known.digest:
                self.recorder.refuse(name, reason)
            else:
                new[name] = reason
                self.known[name] = REFUSED
        if new:
            self._store.working.refuse(self.repo_id, new)

    def skip(self, reasons: dict[str, str]) -> None:
        """Take note of files and folders that cannot be looked at; each scan tries again."""
        new = {name: why for name, why in reasons.items() if self._unlisted.get(name) != why}
        if not new:
            return
        for name in new:
            self._set_aside(name)
            self.losses.found(name)
        self._unlisted.update(new)
        self.postpone({name: (why, None) for name, why in new.items()}, new)

    def postpone(self, waiting: dict[str, tuple[str, str | None]], told: Mapping[str, str]) -> None:
        """Note why files wait and until when. One warning stands for all: a disk may be away."""
        self._store.working.postpone(self.repo_id, waiting)
        for name in waiting:
            self.known[name] = _settling_again(self.known.get(name))
        if told:
            name, why = next(iter(told.items()))
            more = f" and {len(told) - 1} more" if len(told) > 1 else ""
            message = f"{self._kind}/{name}{more} {why}"
            self._store.note(self._pipeline, "warning", "unreadable", message)

    def relist(self, unreadable: Mapping[str, str]) -> bool:
        """Keep of what could not be looked at what still cannot; tells whether some now can."""
        before = len(self._unlisted)
        self._unlisted = {n: why for n, why in self._unlisted.items() if n in unreadable}
        return len(self._unlisted) < before

    def begin_reading(self, ready: Ready) -> bool:
        """Say that a settled file is being read.

        Returns:
            Whether it is racy: not still for so long that the same stamp means the same bytes.
            It is then to be read once more, later; that second look decides.
        """
        is_second = ready.name in self._rechecks
        self._rechecks.discard(ready.name)
        return not is_second and (ready.early or self._settle_s < RACY_S)

    def was_read(self, name: str, now: float, *, is_racy: bool) -> None:
        """Say that it was read."""
        self.unreadable.forget(name)
        if is_racy:
            self._recheck_at[name] = now + RACY_S
        else:
            self._recheck_at.pop(name, None)


def _settling_again(known: KnownFile | None) -> KnownFile:
    return known._replace(state=FileState.SETTLING) if known is not None else _NEW
