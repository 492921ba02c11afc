"""From a watched folder to commits: watch, scan, settle, and have what settled recorded.

Level-triggered: each step compares the folder with the store and brings them closer.
Hints from the watch only shorten the wait; a full scan by timer finds what they missed.
Leaves to others: what a file means (`pixd.training`, `pixd.translation`) and whether its
bytes are an image (`pixd.inspector`, the translator).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixd import disk, scan
from pixd.recording import NotWholeError, Recorder, RefusedError, StillChangingError
from pixd.scan import FileStamp
from pixd.settle import Ready, Settling
from pixd.store.working import KnownFile
from pixd.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pixd.store.store import Store

STEP_BUDGET_S = 0.25
"""How long one step may read files, so that signals and children are never kept waiting."""
READ_AT_ONCE = 500  # files handed out a step; giving thousands back each time would cost more
RESCAN_S = 30.0
POLL_S = 5.0
SCAN_GRACE_S = 60.0  # a scan that is late by more has not happened
RESCAN_SHARE = 200
"""A rescan waits at least this many times its own duration: under half a per cent of one core."""
COMMIT_EVERY_S = 0.5
"""A single drop is committed at once; of a stream, what came in so long becomes one commit."""
COMMIT_SHARE = 4
"""Of a stream, the next commit waits this many times as long as the last one took: each describes
every bucket of the folder that it touches, and a burst touches all of them each time."""
TRAINING_PATIENCE_S = 10.0
"""A training commit waits this long for files that still settle, so that one drop is one commit."""

_NEW = KnownFile("settling", None, 0, 0, 0, 0, 0, is_racy=False)


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
    ) -> None:
        """Prepare to watch `root`; nothing is read before the first `step`.

        Args:
            store: the open store.
            pipeline: the pipeline's name.
            kind: "training" or "input".
            root: the folder.
            settle_seconds: how long a file must be still.
            wake: called from the watch's thread when something may have changed.
            keep_free_bytes: what stays free on the store's disk beside the files read.
        """
        self.root = root
        self.kind = kind
        self.pipeline = pipeline
        self.held = ""
        self.blocked = ""  # why what settled cannot be read into the store
        self.revision = 0  # counts up whenever rows of this folder were written
        self.ignored = 0
        self.last_scan_at: float | None = None
        self.last_change_at: float | None = None
        self._store = store
        self._wake = wake
        self._keep_free_bytes = keep_free_bytes
        self._settling = Settling(settle_seconds)
        self._settle_s = settle_seconds
        self._known: dict[str, KnownFile] = {}
        self._recorder = Recorder(store, pipeline, kind, self._known)
        self.repo_id = self._recorder.repo_id
        self._known.update(store.working.load(self.repo_id))
        self._gone: dict[str, float] = {}
        self._read_since: float | None = None
        self._watch: Watch | None = None
        self._watched_identity: tuple[int, int] | None = None
        self._next_scan_at = 0.0
        self._next_arm_at = 0.0
        self._next_commit_at = 0.0
        self._overflows_before = 0  # of watches that were given up
        self._missed_events = 0
        self._rechecks: set[str] = set()  # recorded under a racy stamp, read once more
        self._unreadable: dict[str, FileStamp] = {}  # refused by permission under this stamp

    # -- what readers ask ---------------------------------------------------------------

    @property
    def watch_kind(self) -> str:
        """How the folder is watched: "inotify" or "poll"."""
        return self._watch.kind if self._watch else "poll"

    @property
    def overflows(self) -> int:
        """How often the kernel's queue overflowed."""
        return self._overflows_before + (self._watch.overflows if self._watch else 0)

    @property
    def missed_events(self) -> int:
        """How many files a scan by timer found that no event had named."""
        return self._missed_events

    @property
    def is_calm(self) -> bool:
        """Tell whether the folder has been scanned and nothing in it is on the way."""
        return self.last_scan_at is not None and not (
            self._is_settling or self._gone or self._recorder
        )

    @property
    def _is_settling(self) -> bool:
        # A second look at bytes that are recorded already changes nothing for anybody yet.
        return len(self._settling) > len(self._rechecks)

    def next_at(self) -> float:
        """Return the monotonic time at which the next step has something to do."""
        times = [self._next_scan_at]
        settles_at = None if self.blocked else self._settling.next_at()
        if settles_at is not None:
            times.append(settles_at)
        if self._gone:
            times.append(min(self._gone.values()) + self._settle_s)
        if self._recorder and self._read_since is not None:
            patience_s = TRAINING_PATIENCE_S if self.kind == "training" else 0.0
            times.append(max(self._read_since + patience_s, self._next_commit_at))
        return min(times)

    def stale(self, now: float) -> str:
        """Say what about the watching should have happened and has not, or "". `now`: monotonic s.

        A folder on hold is no hang: it is looked for, and `held` says why it is not read.
        """
        if self.held:
            return ""
        if self._watch and not self._watch.is_alive(now):
            return "the watch is silent"
        return "the scan is overdue" if now - self._next_scan_at > SCAN_GRACE_S else ""

    def scan_soon(self) -> None:
        """Make the next step scan the whole folder."""
        self._next_scan_at = 0.0

    def reload(self) -> None:
        """Take the rows of this folder anew: a command changed them."""
        self._recorder.clear()  # gc may have moved what was read and not committed yet
        self._known.clear()
        self._known.update(self._store.working.load(self.repo_id))
        self.revision += 1
        self.scan_soon()

    def recover(self) -> None:
        """Begin anew from the store and the folder: an error cut a step off."""
        self._settling = Settling(self._settle_s)
        self._rechecks.clear()
        self._gone.clear()
        self._read_since = None
        self.reload()

    def stop(self) -> None:
        """Stop watching."""
        if self._watch:
            self._overflows_before += self._watch.overflows
            self._watch.stop()
            self._watch = None
        self._watched_identity = None  # a step after this one arms anew

    # -- the step -----------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Bring the store one step closer to the folder.

        Args:
            now: monotonic seconds.
        """
        try:
            self._arm(now)
            changed = self._look(now)
        except scan.RootGoneError as error:
            self._hold(now, error.message)
            return
        self.held = ""
        if changed:
            self.last_change_at = now
        self._read_settled(now)
        self._commit(now)

    def _hold(self, now: float, reason: str) -> None:
        # A folder that is gone says nothing about its files: nothing is removed, no retrain.
        if self.held != reason:
            self.held = reason
            self._store.note(self.pipeline, "warning", "hold", f"{self.kind}: {reason}")
        self.stop()
        self._next_scan_at = now + POLL_S

    def _arm(self, now: float) -> None:
        """Arm the watch before the scan, so that nothing falls between the two."""
        if self._watched_identity is not None and now < self._next_arm_at:
            return
        self._next_arm_at = now + 1.0
        identity = scan.root_identity(self.root)
        if identity == self._watched_identity and self._watch and self._watch.is_alive(now):
            return
        self.stop()
        canary = self._store.folder / "canary" / f"{self.pipeline}-{self.kind}"
        canary.parent.mkdir(exist_ok=True)
        self._watch = Watch(self.root, self._wake, canary=canary)
        self._watch.start()
        self._watched_identity = identity
        self._next_scan_at = now

    def _look(self, now: float) -> bool:
        assert self._watch is not None  # _arm made it
        hints = self._watch.drain()
        if hints.rescan or now >= self._next_scan_at:
            known, is_first = len(self._known), self.last_scan_at is None
            changed = self._scan_all(now, hints.closed)
            if not (is_first or hints.rescan or hints.changed) and self._watch.kind == "inotify":
                self._missed_events += max(0, len(self._known) - known)
            return changed
        changed = False
        if hints.changed or hints.closed:
            changed = self._look_at(hints.changed | hints.closed, hints.closed, now)
        return changed

    def _scan_all(self, now: float, closed: Iterable[str]) -> bool:
        began = time.monotonic()
        found = scan.scan(self.root)
        took = time.monotonic() - began
        period = RESCAN_S if self.watch_kind == "inotify" else POLL_S
        self._next_scan_at = now + max(period, took * RESCAN_SHARE)
        self.ignored = found.ignored
        refused = {**found.special, **found.unreadable}
        fresh = self._observe(found.files.items(), now)
        for name in closed:
            if name in found.files:
                self._settling.closed(name, now)
        self._refuse(refused)
        vanished = [
            name
            for name in self._known
            if name not in found.files and name not in refused and not found.hides(name)
        ]
        for name in vanished:
            self._miss(name, now)
        for name in [n for n in self._gone if n in found.files]:
            del self._gone[name]
        self.last_scan_at = now
        return bool(fresh or vanished)

    def _look_at(self, names: Iterable[str], closed: set[str], now: float) -> bool:
        stamps: dict[str, FileStamp] = {}
        changed = False
        for name in names:
            stamp = scan.stamp(self.root, name)
            if stamp is not None:
                stamps[name] = stamp
                self._gone.pop(name, None)
                continue
            below = scan.scan_under(self.root, name)
            stamps.update(below.files)
            self._refuse({**below.special, **below.unreadable})
            if name in below.special or name in below.unreadable:
                continue
            if name in self._known:
                self._miss(name, now)
                changed = True
            elif not below.files:
                prefix = name + "/"
                for member in [n for n in self._known if n.startswith(prefix)]:
                    self._miss(member, now)
                    changed = True
        fresh = self._observe(stamps.items(), now)
        for name in closed & stamps.keys():
            self._settling.closed(name, now)
        return changed or fresh

    def _observe(self, stamps: Iterable[tuple[str, FileStamp]], now: float) -> bool:
        unsettled: list[str] = []
        for name, stamp in stamps:
            if self._unreadable.get(name) == stamp:
                continue  # chmod changes the ctime, and with it the stamp
            known = self._known.get(name)
            if known is not None and known.state != "settling" and known.matches(stamp):
                if known.is_racy:
                    self._settling.observe(name, stamp, now)
                    self._rechecks.add(name)
                continue
            self._settling.observe(name, stamp, now)
            self._rechecks.discard(name)
            if known is None or known.state != "settling":
                unsettled.append(name)
                self._known[name] = _NEW if known is None else known._replace(state="settling")
        if unsettled:
            self._store.working.mark_settling(self.repo_id, unsettled)
        return bool(unsettled)

    def _miss(self, name: str, now: float) -> None:
        self._settling.forget(name)
        self._rechecks.discard(name)
        self._recorder.drop(name)
        self._gone.setdefault(name, now)

    def _refuse(self, reasons: dict[str, str]) -> None:
        new = {
            name: reason
            for name, reason in reasons.items()
            if name not in self._known or self._known[name].state != "rejected"
        }
        if new:
            self._store.working.refuse(self.repo_id, new)
            for name in new:
                self._settling.forget(name)
                self._rechecks.discard(name)
                self._known[name] = KnownFile("rejected", None, 0, 0, 0, 0, 0, is_racy=False)

    # -- reading ------------------------------------------------------------------------

    def _read_settled(self, now: float) -> None:
        ends_at = time.monotonic() + STEP_BUDGET_S
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
            self._rechecks.discard(ready.name)
            self._read(ready, now)
        if self.blocked and not was_blocked:
            told = f"recording {self.kind}: {self.blocked}"
            self._store.note(self.pipeline, "warning", "blocked", told)
        if self._recorder and self._read_since is None:
            self._read_since = now

    def _read(self, ready: Ready, now: float) -> None:
        name = ready.name
        try:
            self._recorder.read(self.root, ready)
        except FileNotFoundError:
            self._miss(name, now)
        except StillChangingError as changing:
            self._settling.observe(name, changing.stamp, now)
        except NotWholeError:
            self._settling.postpone(name, now)
        except RefusedError as refused:
            self._refuse({name: refused.message})
            if isinstance(ready.stamp, FileStamp):
                self._unreadable[name] = ready.stamp

    # -- committing ---------------------------------------------------------------------

    def _commit(self, now: float) -> None:
        gone = [name for name, since in self._gone.items() if now - since >= self._settle_s]
        if not self._recorder and not gone:
            return
        waits_for_more = (
            self.kind == "training"
            and self._is_settling
            and now - (self._read_since or now) < TRAINING_PATIENCE_S
        )
        if waits_for_more or now < self._next_commit_at:
            return
        began = time.monotonic()
        if self._recorder.commit(gone):
            self.last_change_at = now
        took = time.monotonic() - began
        self._next_commit_at = now + took + max(COMMIT_EVERY_S, COMMIT_SHARE * took)
        self.revision += 1
        self._read_since = None
        for name in gone:
            del self._gone[name]
