"""The state of each file of a watched folder, from the first look at it to the commit.

Every name that was seen is known. A new or changed file settles, is read and waits for the
commit. What is not a file is refused. A file that cannot be read waits for another try. A file
that is not there is missed.

Leaves to others: looking into the folder, whether it is believed, and when to commit
(`pixd.folders.intake`); how a file is read and a commit written (`pixd.folders.recorder`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixd.folders import copying
from pixd.folders.known import KnownFiles
from pixd.folders.missing import Losses
from pixd.folders.one_file import is_of_one_file, write_each
from pixd.folders.postponed import Postponed, settling_again, still_there
from pixd.folders.recorder import REFUSED, Committed, Recorder, refused_as
from pixd.folders.second_look import RACY_S, SecondLooks
from pixd.folders.settle import Ready, Settling
from pixd.store.known_file import AT_REST, MARK, KnownFile
from pixd.store.states import FileState
from pixd.system import disk, safe_open
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError
from pixd.system.stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.folders.scan import ScanResult
    from pixd.folders.watch import Hints
    from pixd.store.store import Store

STEP_BUDGET_S = 0.25
"""How long one step may read files, so that signals and children never wait long."""
READ_AT_ONCE = 500
"""How many files a step takes at most. Giving thousands back each time would cost more."""


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
        calls: FolderCalls,
    ) -> None:
        """Begin with what the store knows of the repo of `pipeline` and `kind`.

        Args:
            store: the open store.
            pipeline: the pipeline's name.
            kind: "training" or "input".
            settle_seconds: how long a file must be still.
            max_file_bytes: a larger file is refused unread.
            keep_free_bytes: what stays free on the store's disk after the files are read.
            calls: through which the folder is read.
        """
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._calls = calls
        self._settle_s = settle_seconds
        self._keep_free_bytes = keep_free_bytes
        self.blocked = ""
        self.known = KnownFiles()
        self._recorder = Recorder(store, pipeline, kind, self.known, max_file_bytes, calls)
        self.repo_id = self._recorder.repo_id
        self.known.fill(store.working.load(self.repo_id))
        # What was refused is read anew: this pixd, or its settings, may take it.
        self.known.update(dict.fromkeys(store.working.refused(self.repo_id), REFUSED))
        self._settling = Settling(settle_seconds)
        self.losses = Losses(settle_seconds)
        self._postponed = Postponed(store, pipeline, kind, self.repo_id, self.known)
        self._unreadable = self._postponed.unreadable
        self._looks = SecondLooks(settle_seconds)

    # -- what the caller asks -----------------------------------------------------------

    @property
    def is_calm(self) -> bool:
        """Tell whether nothing is on the way to a commit."""
        # Reading recorded bytes a second time does not count: it seldom changes anything.
        return not (self.is_settling or self.losses or self._recorder)

    @property
    def is_settling(self) -> bool:
        """Tell whether files with content that is not recorded yet are still settling."""
        return bool(self._settling)

    @property
    def cannot_be_read(self) -> int:
        """How many files and folders cannot be read now."""
        return len(self._postponed)

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
        reads = () if self.blocked else (self._settling.next_at(), self._looks.next_at())
        waits = (*reads, self.losses.next_at(), self._unreadable.next_at())
        return min((at for at in waits if at is not None), default=None)

    # -- what the caller saw ------------------------------------------------------------

    def reload(self) -> None:
        """Read the rows again, and try at once what could not be read: a command asked for it."""
        self._recorder.clear()  # gc may have moved what was read and is not committed yet
        self._looks.set_aside()
        self.known.fill(self._store.working.load(self.repo_id))
        self._postponed.clear()

    def set_all_aside(self) -> None:
        """Forget what was under way; the next scan finds it again."""
        self._settling = Settling(self._settle_s)
        self._looks.set_aside()
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
        # Go through the fewer ones: thousands may be missing while files come one by one.
        is_few = len(stamps) < len(self.losses)
        fewer, more = (stamps, self.losses) if is_few else (self.losses, stamps)
        for name in [name for name in fewer if name in more]:
            self.losses.found(name)
        has_fresh = self._observe(stamps, now)
        for name in hints.closed & stamps.keys():
            self._settling.closed(name, now, is_renamed=name in hints.renamed)
        return has_fresh

    def _observe(self, stamps: Mapping[str, FileStamp], now: float) -> bool:
        unsettled: dict[str, KnownFile | None] = {}
        known_as = self.known.get
        for name, stamp in stamps.items():
            known = known_as(name)
            # Most files are as they were. For 100,000 of them this first look halves the time.
            if known is not None and known.startswith(stamp) and known[MARK] in AT_REST:
                continue
            settles = known is None or known.state is FileState.SETTLING
            if known is not None and not settles and known.matches(stamp):
                if known.is_racy:
                    self._looks.found(name, now)
                continue
            if self._unreadable.is_waiting(name, stamp) or self._recorder.has_read(name, stamp):
                continue
            self._recorder.drop(name)
            self._settling.observe(name, stamp, now)
            self._looks.changed(name)
            if known is None or not settles:
                unsettled[name] = known
                self.known[name] = settling_again(known)
        failed = write_each(
            lambda names: self._store.working.mark_settling(self.repo_id, names), unsettled
        )
        for name in failed:
            self._settling.forget(name)
            self.known.put_back(name, unsettled[name])
        self._postponed.try_later({n: (why, stamps[n]) for n, why in failed.items()}, now)
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
        is_missing = self.refuse(below.special, now)
        self.skip(below.unreadable)
        if name in below.unreadable:
            return is_missing
        gone = [name] if name in self.known and name not in below.special else []
        if not gone and not below.files:
            gone = list(self.known.below(name))
        for missing in gone:
            self.miss(missing, now)
        return bool(gone) or is_missing

    def miss(self, name: str, now: float, instead: str = "") -> None:
        """Take note that a file is not there. `instead`: why what is there is refused, or ""."""
        self._set_aside(name)
        known = self.known.get(name)
        has_content = known is not None and known.has_content
        self.losses.miss(name, now, instead, has_content=has_content)

    def _set_aside(self, name: str) -> None:
        """Forget what was under way for a file."""
        self._settling.forget(name)
        self._looks.forget(name)
        self._recorder.drop(name)
        self._postponed.forget(name)

    def refuse(self, reasons: Mapping[str, str], now: float) -> bool:
        """Take note of names that may not be taken, with the reason.

        A recorded file that became such a name is gone. It waits with those that are missing, so
        that the folder is judged by it, and so that what one command did becomes one commit.

        Returns:
            Whether a recorded file is gone by it.
        """
        new: dict[str, str] = {}
        is_missing = False
        for name, reason in reasons.items():
            known = self.known.get(name)
            if known == REFUSED:
                continue
            if known is not None and known.has_content:
                self.miss(name, now, reason)
                is_missing = True
                continue
            self._set_aside(name)
            self.losses.found(name)
            new[name] = reason
        failed = write_each(lambda rows: self._store.working.refuse(self.repo_id, rows), new)
        self.known.update(dict.fromkeys(new, REFUSED))
        self._postponed.warn_once(failed)
        return is_missing

    def _refuse_read(self, name: str, reason: str, stamp: FileStamp) -> None:
        """Refuse a file that was opened; it is looked at again when its stamp changes."""
        self._set_aside(name)
        self._postponed.tell_refused(name, reason)
        if (known := self.known.get(name)) and known.has_content:
            self._recorder.refuse(name, reason, stamp)
            return
        self._store.working.refuse(self.repo_id, {name: reason}, {name: stamp})
        self.known[name] = refused_as(stamp)

    def skip(self, reasons: Mapping[str, str]) -> None:
        """Take note of files and folders that cannot be looked at; each scan tries again."""
        new = self._postponed.new_unlisted(reasons)
        for name in new:
            self._set_aside(name)
            self.losses.found(name)
        if new:
            self._postponed.unlist(new)

    def relist(self, unreadable: Mapping[str, str]) -> bool:
        """Forget what can be looked at again; tells whether there is any."""
        return self._postponed.relist(unreadable)

    # -- reading and committing ---------------------------------------------------------

    def read_settled(self, root: Path, now: float) -> None:
        """Read what settled, for at most `STEP_BUDGET_S`.

        Raises:
            RootGoneError: the whole folder cannot be read.
            NotAnsweringError: a file is being read; it and the others stay due.
            OSError: the store cannot be written.
        """
        self._try_again(now)
        ends_at = time.monotonic() + STEP_BUDGET_S
        unanswered: NotAnsweringError | None = None
        unreadable: dict[str, tuple[str, FileStamp]] = {}
        was_blocked, self.blocked = self.blocked, ""
        for ready in self._due(now):
            if not self.blocked and isinstance(ready.stamp, FileStamp):
                self.blocked = disk.shortage(
                    self._store.folder, ready.stamp.size, self._keep_free_bytes
                )
            if self.blocked or time.monotonic() > ends_at:
                # Give the rest back for the next step; it is already known to be still.
                self._settling.ready_again(ready)
                continue
            assert isinstance(ready.stamp, FileStamp)
            try:
                if why := self._read(root, ready, ready.stamp, now):
                    unreadable[ready.name] = (why, ready.stamp)
            except NotAnsweringError as error:
                self._settling.ready_again(ready)
                unanswered, ends_at = error, 0.0
        if self.blocked and not was_blocked:
            message = f"recording {self._kind}: {self.blocked}"
            self._store.note(self._pipeline, "warning", "blocked", message)
        if unreadable and not unanswered:  # else the next scan finds them again
            there = still_there(self._calls, root, unreadable)
            self._postponed.try_later(there, now)
            for name in unreadable.keys() - there.keys():
                self.miss(name, now)
        if unanswered:
            raise unanswered

    def _due(self, now: float) -> list[Ready]:
        """Return what is to be read now: what settled, then what is to be read once more."""
        due = self._settling.settled(now, READ_AT_ONCE)
        again = self._looks.due(now, READ_AT_ONCE - len(due))
        return due + [Ready(name, self.known[name].stamp, early=False) for name in again]

    def _try_again(self, now: float) -> None:
        for name, stamp in self._unreadable.due(now):
            if name in self.known:
                self._settling.observe(name, stamp, now)
            else:  # it has no row yet
                self._observe({name: stamp}, now)

    def commit(self, now: float, *, with_removals: bool) -> Committed:
        """Write what was read as one commit.

        Args:
            now: monotonic seconds.
            with_removals: record what is missing as removed, too.
        """
        gone = self.losses.take(now) if with_removals else {}
        before = self._recorder.came
        has_changed = self._recorder.commit(gone)
        self.losses.have_come(self._recorder.came - before)
        failed = self._recorder.failed
        self._postponed.try_later(
            {name: (why, stamp) for name, (why, stamp) in failed.items() if stamp is not None}, now
        )
        self._postponed.warn_once({n: why for n, (why, stamp) in failed.items() if stamp is None})
        return Committed(has_changed, ends_removals=bool(gone) and self.losses.has_ended)

    def _read(self, root: Path, ready: Ready, stamp: FileStamp, now: float) -> str:
        """Read one file; returns why it cannot be read now, or ""."""
        name = ready.name
        is_second = name in self._looks
        # A file that changed so recently may have other bytes under the same stamp. It is read once
        # more, later, and that second look decides.
        is_racy = not is_second and (ready.early or self._settle_s < RACY_S)
        try:
            self._recorder.read(root, self._postponed.patiently(ready, now), is_racy=is_racy)
        except FileNotFoundError:
            self.miss(name, now)
        except copying.StillChangingError as changing:
            self._looks.changed(name)
            self._settling.observe(name, changing.stamp, now)
        except copying.NotWholeError:
            self._settling.postpone(name, now)
        except copying.UnfinishedError as unfinished:
            self._wait_for_writer(name, stamp, "" if is_second else unfinished.message, now)
        except copying.RefusedError as refused:
            self._refuse_read(name, refused.message, stamp)
        except Exception as error:
            if not isinstance(error, copying.UnreadableError) and not is_of_one_file(error):
                raise
            self._looks.changed(name)
            return getattr(error, "message", "") or safe_open.surprise(error)
        else:
            self._postponed.forget(name)
            self._looks.forget(name)
            if is_racy:
                self._looks.read(name, now)
        return ""

    def _wait_for_writer(self, name: str, stamp: FileStamp, why: str, now: float) -> None:
        if name in self._looks:
            self._looks.postpone(name, now)
        else:
            self._settling.observe(name, stamp, now)
        self._postponed.wait_for_writer(name, why, now)
