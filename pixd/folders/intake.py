"""From a watched folder to commits: when to scan, what to believe, and when to commit.

Level-triggered: each step compares the folder with the store and brings them closer.
Hints from the watch only shorten the wait; a full scan by timer finds what they missed.

Leaves to others: the state of each file, its reading and the commit itself
(`pixd.folders.tracking`); whether the folder is believed (`pixd.folders.hold`); what a file means
(`pixd.training.stage`, `pixd.translation.stage`); whether its bytes are an image
(`pixd.training.dataset.inspector_child`, the translator).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from pixd.folders import scan
from pixd.folders.hold import Guard
from pixd.folders.tracking import Tracking
from pixd.folders.watch import Watch
from pixd.system import safe_open
from pixd.system.children import confinement
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixd.folders.scan import ScanResult
    from pixd.folders.watch import Hints
    from pixd.store.store import Store
    from pixd.system.stamps import FileStamp, RootIdentity

RESCAN_S = 30.0  # between scans where events arrive
POLL_S = 5.0  # between scans where none do, and while the folder is on hold
SCAN_GRACE_S = 60.0  # a scan that is later than this is reported as overdue
RESCAN_SHARE = 200
"""A rescan waits at least this many times its own processor time: under half a per cent of a core."""
REST_SHARE = 20
"""It also waits so many times its duration. A slow disk then keeps the loop for less than a twentieth
of the time, and a machine that is busy with other work does not make a scan rare."""
COMMIT_EVERY_S = 0.5
"""While files keep arriving, those of this many seconds become one commit. If no other file is on
its way, what was read is committed at once."""
COMMIT_SHARE = 4
"""While files keep arriving, the next commit waits this many times as long as the last one took.
Each commit describes every bucket of the folder that it touches, and a burst touches them all."""
ASK_AGAIN_S = 1.0  # after a child that asked the folder was killed
TRAINING_PATIENCE_S = 10.0
"""A training commit waits this long for files that still settle, so that one drop is one commit."""


class Intake:
    """One watched folder and its repo."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        kind: str,
        root: Path,
        *,
        settle_seconds: float,
        wake: Callable[[], None],
        keep_free_bytes: int = 0,
        max_file_bytes: int = confinement.FILE_BYTES,
    ) -> None:
        """Prepare to watch `root`; nothing is read before the first `step`.

        Args:
            store: the open store.
            pipeline: the pipeline's name.
            kind: "training" or "input".
            root: the folder.
            settle_seconds: how long a file must be still.
            wake: called from the watch's thread when something may have changed.
            keep_free_bytes: what stays free on the store's disk after the files are read.
            max_file_bytes: a larger file is refused unread.
        """
        self.root = root
        self.kind = kind
        self.pipeline = pipeline
        self.revision = 0  # counts up whenever rows of this folder were written
        self.ignored = 0
        self.last_scan_at: float | None = None
        self.last_change_at: float | None = None
        self.calls = FolderCalls(root, store=store.folder)
        self._store = store
        self._wake = wake
        self._files = Tracking(
            store,
            pipeline,
            kind,
            settle_seconds=settle_seconds,
            max_file_bytes=max_file_bytes,
            keep_free_bytes=keep_free_bytes,
            calls=self.calls,
        )
        self.repo_id = self._files.repo_id
        self._guard = Guard(store, pipeline, self.repo_id, root)
        self.held = self._guard.hold
        self._missing_before = 0
        self._read_since: float | None = None
        self._watch: Watch | None = None
        self._watched_identity: RootIdentity | None = None
        self._next_scan_at = 0.0
        self._next_arm_at = 0.0
        self._ask_again_at = 0.0  # after a call that was not answered
        self._scan_began = 0.0  # monotonic seconds; 0 where no scan is under way
        self._has_hung = False  # since the last scan
        self._next_commit_at = 0.0
        self._overflows_before = 0  # counted by earlier watches
        self._missed_events = 0

    # -- what readers ask ---------------------------------------------------------------

    @property
    def blocked(self) -> str:
        """Why what settled cannot be read into the store, or ""."""
        return self._files.blocked

    @property
    def not_answering(self) -> str:
        """That the folder's file system does not answer, and since when; or ""."""
        return self.calls.trouble

    @property
    def watch_kind(self) -> str:
        """How the folder is watched: "inotify" or "poll"."""
        return self._watch.kind if self._watch else "poll"

    @property
    def watch_why(self) -> str:
        """Why it is watched so."""
        return self._watch.why if self._watch else ""

    @property
    def unreadable(self) -> int:
        """How many files and folders cannot be read now."""
        return self._files.cannot_be_read

    @property
    def overflows(self) -> int:
        """How often the kernel's queue overflowed."""
        return self._overflows_before + (self._watch.overflows if self._watch else 0)

    @property
    def missed_events(self) -> int:
        """How many files a scan by timer found that no event had named."""
        return self._missed_events

    @property
    def recorded(self) -> int:
        """How many contents were recorded: new files and changed ones."""
        return self._files.recorded

    @property
    def is_calm(self) -> bool:
        """Tell whether the folder has been scanned and nothing in it is on the way."""
        return self.last_scan_at is not None and self._files.is_calm

    def next_at(self) -> float:
        """Return the monotonic time at which the next step has something to do."""
        if self.calls.fileno() is not None:
            return math.inf  # until the folder answers
        if self._ask_again_at:
            return self._ask_again_at
        times = [self._next_scan_at]
        files_at = self._files.next_at()
        if files_at is not None:
            times.append(files_at)
        if self._files.has_read:
            times.append(self._commit_at())
        return min(times)

    def stale(self, now: float) -> str:
        """Say which part of the watching is overdue, or "". `now`: monotonic seconds.

        A folder on hold does not count: pixd looks for it, and `held` says why it is not read. One
        that does not answer does not either: `not_answering` says so.
        """
        if self.held or self.calls.fileno() is not None:
            return ""
        if self._watch and not self._watch.is_alive(now):
            return "the watch is silent"
        return "the scan is overdue" if now - self._next_scan_at > SCAN_GRACE_S else ""

    def scan_soon(self) -> None:
        """Make the next step scan the whole folder."""
        self._next_scan_at = 0.0

    def reload(self) -> None:
        """Read the rows of this folder again, because a command changed them."""
        self._files.reload()
        self._guard.reload()
        self.revision += 1
        self.scan_soon()

    def recover(self) -> None:
        """Begin again from the store and the folder, because an error interrupted a step."""
        self._files.set_all_aside()
        self._read_since = None
        self.reload()

    def stop(self) -> None:
        """Stop watching, and wait for no answer any more."""
        self._stop_watch()
        self.calls.close()

    def _stop_watch(self) -> None:
        if self._watch:
            self._overflows_before += self._watch.overflows
            self._watch.stop()
            self._watch = None
        self._watched_identity = None  # the next step arms it again

    # -- the step -----------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Bring the store one step closer to the folder.

        Args:
            now: monotonic seconds.
        """
        if self.calls.is_waiting():  # the other folders go on
            self._has_hung |= bool(self.not_answering)
            return
        self._ask_again_at = 0.0
        try:
            self._arm(now)
            changed = self._look(now)
            if not self.held:
                self._files.read_settled(self.root, now)
                if self._files.has_read and self._read_since is None:
                    self._read_since = now
                self._commit(now)
        except safe_open.RootGoneError as error:
            self._hold(now, f"{error.message}: {error.advice}")
            self._stop_watch()
        except NotAnsweringError:
            # The next step makes the same calls again, and gets the answer where one has come.
            self._ask_again_at = now + ASK_AGAIN_S
        else:
            if changed:
                self.last_change_at = now

    def _hold(self, now: float, why: str) -> None:
        """Put the folder on hold: remove nothing and read nothing new."""
        if not self.held:
            self._store.note(self.pipeline, "warning", "hold", f"{self.kind} on hold: {why}")
        self.held = why
        self._guard.put_on_hold(why)
        self._files.set_all_aside()
        self._next_scan_at = now + POLL_S

    def _arm(self, now: float) -> None:
        """Arm the watch before the scan, so that no change between the two is missed."""
        if self._watched_identity is not None and now < self._next_arm_at:
            return
        self._next_arm_at = now + 1.0
        identity = self.calls.call(scan.root_identity, self.root)
        self._guard.check(identity)
        watch, is_scan_due = self._watch, now >= self._next_scan_at
        is_same = identity == self._watched_identity
        if is_same and watch and watch.is_alive(now) and not (is_scan_due and watch.is_worn):
            return
        self._stop_watch()
        canary = self._store.standing("canary") / f"{self.pipeline}-{self.kind}"
        self._watch = Watch(self.root, self._wake, canary=canary)
        self._watch.start()
        self._watched_identity = identity
        self._next_scan_at = now

    def _look(self, now: float) -> bool:
        assert self._watch is not None  # _arm made it
        hints = self._watch.drain()
        if now >= self._next_scan_at or (hints.rescan and not self.held):
            known, is_first = len(self._files.known), self.last_scan_at is None
            changed = self._scan_all(hints, now)
            if not (is_first or hints.rescan or hints.changed) and self._watch.kind == "inotify":
                self._missed_events += max(0, len(self._files.known) - known)
            return changed
        if (hints.changed or hints.closed) and not self.held:
            return self._look_at(hints, now)
        return False

    def _scan_all(self, hints: Hints, now: float) -> bool:
        self._scan_began = self._scan_began or time.monotonic()
        used = time.thread_time()
        found = self.calls.call(scan.scan, self.root)
        used = time.thread_time() - used
        took, self._scan_began = time.monotonic() - self._scan_began, 0.0
        self.ignored = found.ignored
        vanished = self._files.known.vanished(found)
        self.last_scan_at = now
        if not self._is_believed(found, vanished, now):
            return False
        period = RESCAN_S if self.watch_kind == "inotify" else POLL_S
        if not self._has_hung:  # else most of that time was no work
            period = max(period, used * RESCAN_SHARE, took * REST_SHARE)
        self._next_scan_at, self._has_hung = now + period, False
        if self._files.relist(found.unreadable):
            self._watched_identity = None  # a folder that can be read now has no watch yet
        fresh = self._files.see(found.files, hints, now)
        for name in vanished:
            self._files.miss(name, now)
        self._files.refuse(found.special, now)
        self._files.skip(found.unreadable)
        return bool(fresh or vanished)

    def _is_believed(self, found: ScanResult, vanished: list[str], now: float) -> bool:
        """Tell whether what a scan found may be recorded; if not, the folder goes on hold."""
        losses = self._files.losses
        why = self._guard.judge(
            found.identity,
            found.files,
            vanished,
            self._files.known,
            losses,
            now,
        )
        if self.held and not why and not self._guard.is_accepted:
            # Files are coming back. Wait until no more come, or the rest would count as removed.
            why = self.held if vanished and len(vanished) != self._missing_before else ""
        self._missing_before = len(vanished)
        if why:
            self._hold(now, why)
            return False
        self._guard.believe(found.identity, is_whole=not vanished)
        if self.held:
            self.held = ""
            self._store.note(self.pipeline, "info", "hold", f"{self.kind} goes on after the hold")
        return True

    def _look_at(self, hints: Hints, now: float) -> bool:
        stamps: dict[str, FileStamp] = {}
        is_missing = False
        for name in hints.changed | hints.closed:
            stamp = self.calls.call(scan.stamp, self.root, name)
            if stamp is not None:
                stamps[name] = stamp
            else:
                below = self.calls.call(scan.scan_under, self.root, name)
                stamps.update(below.files)
                is_missing |= self._files.see_no_file(name, below, now)
        return self._files.see(stamps, hints, now) or is_missing

    # -- committing ---------------------------------------------------------------------

    def _commit(self, now: float) -> None:
        removals_at = self._files.removals_at()
        has_removals = removals_at is not None and now >= removals_at
        if has_removals and not self._may_remove(now):
            self._next_scan_at = 0.0  # the next step's scan judges
            has_removals = False
        if not (self._files.has_read or has_removals) or now < self._commit_at():
            return
        began = time.monotonic()
        done = self._files.commit(now, with_removals=has_removals)
        took = time.monotonic() - began
        self._next_commit_at = now + took + COMMIT_SHARE * took
        if done.has_changed:
            self.last_change_at = now
        if done.ends_removals:
            self._guard.use_up_acceptance()
        self.revision += 1
        self._read_since = None

    def _commit_at(self) -> float:
        """Return when what was read may be committed: at once, unless more is on its way."""
        if not self._files.is_settling or self._read_since is None:
            return 0.0
        patience_s = TRAINING_PATIENCE_S if self.kind == "training" else COMMIT_EVERY_S
        return max(self._read_since + patience_s, self._next_commit_at)

    def _may_remove(self, now: float) -> bool:
        """Tell whether what is missing may be recorded as removed without another scan.

        Raises:
            RootGoneError: nothing may: the whole folder is gone.
        """
        if self.calls.call(scan.root_identity, self.root) != self._watched_identity:
            self._watched_identity = None
            return False
        losses = self._files.losses
        has_judged = self.last_scan_at is not None and self.last_scan_at >= losses.last_at
        return has_judged or not self._guard.is_suspicious(losses, self._files.known, now)
