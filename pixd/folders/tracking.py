"""The state of each file of a watched folder, from the first look at it to the commit.

Every name that was seen is known. A new or changed file settles, is read and waits for the
commit. What is not a file is refused. A file that cannot be read waits for another try. A file
that is not there is missed.

Leaves to others: looking into the folder, whether it is believed, and when to commit
(`pixd.folders.intake`); how a file is read and a commit written (`pixd.folders.recorder`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixd.folders import scan
from pixd.folders.missing import Losses
from pixd.folders.recorder import (
    REFUSED,
    NotWholeError,
    Recorder,
    RefusedError,
    StillChangingError,
    UnfinishedError,
    UnreadableError,
)
from pixd.folders.settle import Settling
from pixd.folders.unreadable import Unreadable
from pixd.folders.wholeness import Patience
from pixd.store.files import RACY_NS, KnownFile
from pixd.store.states import FileState
from pixd.system import disk
from pixd.system.clock import rfc3339
from pixd.system.stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.folders.scan import ScanResult
    from pixd.folders.settle import Ready
    from pixd.folders.watch import Hints
    from pixd.store.store import Store

STEP_BUDGET_S = 0.25
"""How long one step may read files, so that signals and children never wait long."""
READ_AT_ONCE = 500
"""How many files a step takes at most. Giving thousands back each time would cost more."""
RACY_S = RACY_NS / 1e9
_NEW = KnownFile(FileState.SETTLING, None, 0, 0, 0, 0, 0, is_racy=False)
"""All new files share this one object, because a burst is large."""


class Committed(NamedTuple):
    """The result of one commit.

    Attributes:
        has_changed: any content is new, changed or gone.
        ends_removals: removals were recorded, and no more of them follow.
    """

    has_changed: bool
    ends_removals: bool


class Tracking:
    """The files of one watched folder.

    Attributes:
        repo_id: of the repo that they are recorded in.
        known: what the store knows of each.
        losses: those that are missing.
        blocked: why what settled cannot be read into the store, or "".
    """

    def __init__(
        self,
        store: Store,
        pipeline: str,
        kind: str,
        *,
        settle_seconds: float,
        max_file_bytes: int,
        keep_free_bytes: int,
    ) -> None:
        """Begin with what the store knows of the repo of `pipeline` and `kind`.

        Args:
            store: the open store.
            pipeline: the pipeline's name.
            kind: "training" or "input".
            settle_seconds: how long a file must be still.
            max_file_bytes: a larger file is refused unread.
            keep_free_bytes: what stays free on the store's disk after the files are read.
        """
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._settle_s = settle_seconds
        self._keep_free_bytes = keep_free_bytes
        self.blocked = ""
        self.known: dict[str, KnownFile] = {}
        self._recorder = Recorder(store, pipeline, kind, self.known, max_file_bytes)
        self.repo_id = self._recorder.repo_id
        self.known.update(store.working.load(self.repo_id))
        self._settling = Settling(settle_seconds)
        self.losses = Losses(settle_seconds)
        self._unreadable = Unreadable()
        self._patience = Patience()
        self._rechecks: set[str] = set()  # recorded under a racy stamp, read once more
        self._recheck_at: dict[str, float] = {}
        self._unlisted: dict[str, str] = {}  # what a scan could not even look at, with why

    # -- what the caller asks -----------------------------------------------------------

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing is on the way to a commit."""
        # Reading recorded bytes a second time does not count: it seldom changes anything.
        return not (self.is_settling or self.losses or self._recorder)

    @property
    def is_settling(self) -> bool:
        """Tell whether files with content that is not recorded yet are still settling."""
        return len(self._settling) > len(self._rechecks)

    @property
    def cannot_be_read(self) -> int:
        """How many files and folders cannot be read now."""
        return len(self._unreadable) + len(self._unlisted)

    @property
    def has_read(self) -> bool:
        """Tell whether files that were read, or refused, wait for the commit."""
        return bool(self._recorder)

    @property
    def recorded(self) -> int:
        """How many contents were recorded: new files and changed ones."""
        return self._recorder.recorded

    def removals_at(self) -> float | None:
        """Return when what is missing may be recorded as removed (monotonic seconds), or None."""
        return self.losses.next_at()

    def next_at(self) -> float | None:
        """Return when a file settles, is removed or is tried again (monotonic seconds), or None."""
        settles_at = None if self.blocked else self._settling.next_at()
        waits = (settles_at, self.losses.next_at(), self._unreadable.next_at())
        return min((at for at in waits if at is not None), default=None)

    def vanished(self, found: ScanResult) -> list[str]:
        """Return the known names that a scan of the whole folder did not find."""
        refused = found.special.keys() | found.unreadable.keys()
        return [
            name
            for name in self.known.keys() - found.files.keys()
            if name not in refused and not found.hides(name)
        ]

    # -- what the caller saw ------------------------------------------------------------

    def reload(self) -> None:
        """Read the rows again, and try at once what could not be read: a command asked for it."""
        self._recorder.clear()  # gc may have moved what was read and is not committed yet
        self.known.clear()
        self.known.update(self._store.working.load(self.repo_id))
        self._unreadable.clear()
        self._unlisted.clear()

    def set_all_aside(self) -> None:
        """Forget what was under way; the next scan finds it again."""
        self._settling = Settling(self._settle_s)
        self._rechecks.clear()
        self._unreadable.clear()
        self.losses.clear()
        self._recorder.clear()

    def see(self, stamps: Mapping[str, FileStamp], hints: Hints, now: float) -> bool:
        """Take note of files that are there, and of those that a writer closed.

        Args:
            stamps: name text and stamp of each.
            hints: which of them were closed or renamed into place.
            now: monotonic seconds.

        Returns:
            Whether any is new or changed.
        """
        for name in [name for name in self.losses if name in stamps]:
            self.losses.found(name)
        has_fresh = self._observe(stamps, now)
        for name in hints.closed & stamps.keys():
            self._settling.closed(name, now, is_renamed=name in hints.renamed)
        return has_fresh

    def _observe(self, stamps: Mapping[str, FileStamp], now: float) -> bool:
        unsettled: list[str] = []
        known_as = self.known.get
        for name, stamp in stamps.items():
            known = known_as(name)
            if (
                known is not None
                and known.state is not FileState.SETTLING
                # First compare the whole stamp: for 100,000 unchanged files this halves the time.
                and (known[2:7] == stamp or known.matches(stamp))
            ):
                if known.is_racy and now >= self._recheck_at.get(name, 0.0):
                    self._settling.observe(name, stamp, now)
                    self._rechecks.add(name)
                continue
            if self._unreadable.is_waiting(name, stamp) or self._recorder.has_read(name, stamp):
                continue
            self._recorder.drop(name)
            self._settling.observe(name, stamp, now)
            self._rechecks.discard(name)
            if known is None or known.state is not FileState.SETTLING:
                unsettled.append(name)
                self.known[name] = _settling_again(known)
        if unsettled:
            self._store.working.mark_settling(self.repo_id, unsettled)
        return bool(unsettled)

    def see_no_file(self, name: str, below: ScanResult, now: float) -> bool:
        """Take note of a name that is not a file now: it is gone, a folder, or may not be read.

        Args:
            name: name text.
            below: what `scan_under` found there. Its files are for `see`.
            now: monotonic seconds.

        Returns:
            Whether a known file is missing.
        """
        self.refuse(below.special)
        self.skip(below.unreadable)
        if name in below.special or name in below.unreadable:
            return False
        gone = [name] if name in self.known else []
        if not gone and not below.files:
            gone = [known for known in self.known if known.startswith(name + "/")]
        for missing in gone:
            self.miss(missing, now)
        return bool(gone)

    def miss(self, name: str, now: float) -> None:
        """Take note that a file is not there."""
        self._set_aside(name)
        self.losses.miss(name, now)

    def _set_aside(self, name: str) -> None:
        """Forget what was under way for a file."""
        self._settling.forget(name)
        self._rechecks.discard(name)
        self._recorder.drop(name)
        self._unreadable.forget(name)
        self._patience.end(name)
        self._recheck_at.pop(name, None)

    def refuse(self, reasons: dict[str, str]) -> None:
        """Take note of names that may not be taken, with the reason."""
        new: dict[str, str] = {}
        for name, reason in reasons.items():
            known = self.known.get(name)
            if known == REFUSED:
                continue
            self._set_aside(name)
            self.losses.found(name)
            if known is not None and known.digest:
                self._recorder.refuse(name, reason)
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
        self._postpone({name: (why, None) for name, why in new.items()}, new)

    def relist(self, unreadable: Mapping[str, str]) -> bool:
        """Forget what can be looked at again; tells whether there is any."""
        before = len(self._unlisted)
        self._unlisted = {n: why for n, why in self._unlisted.items() if n in unreadable}
        return len(self._unlisted) < before

    # -- reading and committing ---------------------------------------------------------

    def read_settled(self, root: Path, now: float) -> None:
        """Read what settled, for at most `STEP_BUDGET_S`.

        Raises:
            RootGoneError: the whole folder cannot be read.
            OSError: the store cannot be written.
        """
        for name, stamp in self._unreadable.due(now):
            self._settling.observe(name, stamp, now)
        ends_at = time.monotonic() + STEP_BUDGET_S
        unreadable: dict[str, str] = {}
        was_blocked, self.blocked = self.blocked, ""
        for ready in self._settling.settled(now, READ_AT_ONCE):
            if not self.blocked and isinstance(ready.stamp, FileStamp):
                self.blocked = disk.shortage(
                    self._store.folder, ready.stamp.size, self._keep_free_bytes
                )
            if self.blocked or time.monotonic() > ends_at:
                # Give the rest back for the next step; it is already known to be still.
                self._settling.ready_again(ready)
                continue
            why = self._read(root, ready, now)
            if why:
                unreadable[ready.name] = why
        if self.blocked and not was_blocked:
            message = f"recording {self._kind}: {self.blocked}"
            self._store.note(self._pipeline, "warning", "blocked", message)
        if unreadable:
            self._try_later(root, unreadable, now)

    def commit(self, now: float, *, with_removals: bool) -> Committed:
        """Write what was read as one commit.

        Args:
            now: monotonic seconds.
            with_removals: record what is missing as removed, too.
        """
        gone = self.losses.take(now) if with_removals else []
        has_changed = self._recorder.commit(gone)
        return Committed(has_changed, ends_removals=bool(gone) and not self.losses.recorded)

    def _read(self, root: Path, ready: Ready, now: float) -> str:
        """Read one file; returns why it cannot be read now, or ""."""
        name = ready.name
        is_second = name in self._rechecks
        self._rechecks.discard(name)
        # A file that changed so recently may have other bytes under the same stamp. It is read once
        # more, later, and that second look decides.
        is_racy = not is_second and (ready.early or self._settle_s < RACY_S)
        try:
            self._recorder.read(
                root, ready, is_racy=is_racy, may_be_open=self._patience.is_over(name, now)
            )
        except FileNotFoundError:
            self.miss(name, now)
        except StillChangingError as changing:
            self._settling.observe(name, changing.stamp, now)
        except NotWholeError:
            self._settling.postpone(name, now)
        except UnfinishedError as unfinished:
            self._wait_for_its_writer(ready, unfinished.message, now, is_second=is_second)
        except RefusedError as refused:
            self.refuse({name: refused.message})
        except UnreadableError as error:
            return error.message
        else:
            self._patience.end(name)
            self._unreadable.forget(name)
            if is_racy:
                self._recheck_at[name] = now + RACY_S
            else:
                self._recheck_at.pop(name, None)
        return ""

    def _wait_for_its_writer(self, ready: Ready, why: str, now: float, *, is_second: bool) -> None:
        """Let a still file settle again. Its row says why, unless the bytes are recorded already."""
        self._settling.observe(ready.name, ready.stamp, now)
        if is_second:
            self._rechecks.add(ready.name)
        elif self._patience.begins(ready.name, now):
            self._store.working.postpone(self.repo_id, {ready.name: (why, None)})

    def _try_later(self, root: Path, unreadable: Mapping[str, str], now: float) -> None:
        waiting: dict[str, tuple[str, str | None]] = {}
        warned: dict[str, str] = {}
        for name, why in unreadable.items():
            stamp = scan.stamp(root, name)
            if stamp is None:
                self.miss(name, now)
                continue
            wait_s, is_first = self._unreadable.failed(name, stamp, now)
            waiting[name] = (why, rfc3339(time.time() + wait_s))
            if is_first:
                warned[name] = why
        self._postpone(waiting, warned)

    def _postpone(
        self, waiting: Mapping[str, tuple[str, str | None]], warned: Mapping[str, str]
    ) -> None:
        """Record why files wait and until when, with one warning for all: a disk may be away."""
        self._store.working.postpone(self.repo_id, waiting)
        for name in waiting:
            self.known[name] = _settling_again(self.known.get(name))
        if warned:
            name, why = next(iter(warned.items()))
            more = f" and {len(warned) - 1} more" if len(warned) > 1 else ""
            message = f"{self._kind}/{name}{more} {why}"
            self._store.note(self._pipeline, "warning", "unreadable", message)


def _settling_again(known: KnownFile | None) -> KnownFile:
    return known._replace(state=FileState.SETTLING) if known is not None else _NEW
