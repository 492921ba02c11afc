"""Hints that something changed in a folder, from inotify through watchdog. Never the truth.

Promises: where `kind` is "inotify", the watch is armed. A hint may still come too often, or not
at all after an overflow; `Hints.rescan` then says so, and the overflow is counted. Where the
kernel cannot report changes (network file systems, no watches left), `kind` is "poll" and `why`
gives the reason: there are no hints, and the caller looks often.

Code in watchdog's threads only enqueues; an exception there would end the thread for ever.
Reading a file raises no event: only creations, closes after writing, renames and removals
are asked for. A write without a close is found by the caller's next scan, and so is a change of
only the permissions or times (watchdog 7 calls it FileAttribEvent, and its filter cannot ask for it).
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from pixd.folders.ignored import is_ignored
from pixd.folders.observer import SHARED, threads_live, unschedule
from pixd.system import libc, mounts
from pixd.system.names import name_from_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from watchdog.observers.api import BaseObserver, ObservedWatch

EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
LONGEST_QUEUE = 20_000
"""How many events are kept until `drain`. With more, one rescan is cheaper than a look at each
name, and the paths would be most of the memory that a burst takes."""
SECOND_LOOK_S = 2.0
"""After an overflow watchdog first reports it, and then re-arms its watches. A second look after
this time finds what came in between."""
RETRY_INOTIFY_S = 300.0
PROBE_EVERY_S = 5.0


class Hints(NamedTuple):
    """What may have changed since the last drain.

    Attributes:
        changed: name text of files and folders; a folder means everything below it.
        closed: those of them that were closed after writing or renamed into place.
        rescan: events were lost, so that only a scan tells.
        renamed: those of `closed` that were renamed into place.
    """

    changed: set[str]
    closed: set[str]
    rescan: bool
    renamed: AbstractSet[str] = frozenset()


class _Event(NamedTuple):
    """What one event says of a path."""

    path: str
    is_closed: bool
    is_renamed: bool


class Watch:
    """One watched folder. All share one observer, so that they need one inotify instance."""

    def __init__(self, root: Path, wake: Callable[[], None], *, canary: Path | None = None) -> None:
        """Prepare; nothing is watched before `start`.

        Args:
            root: the folder.
            wake: called from watchdog's thread when a hint has come after a drain.
            canary: a folder of the store; a file is written there now and then to prove that
                events still arrive. Without one only the threads are looked at.
        """
        self.kind = "poll"
        self.why = "not started"
        self.overflows = 0
        self.missed_events = 0  # the caller counts up what a scan found and no hint had named
        self._wake = wake
        # The real folder, since inotify would watch a symbolic link. A network folder is not touched.
        self._root = mounts.find(root).path
        self._canary = canary
        self._queue: deque[_Event] = deque()
        self._is_woken = False
        self._has_lost = False
        self._has_new_folders = False
        self._has_left_folders = False
        self._is_broken = False
        self._look_again_at: float | None = None
        self._probe_at = 0.0
        self._retry_at: float | None = None
        self._observer: BaseObserver | None = None
        self._scheduled: ObservedWatch | None = None

    def start(self) -> None:
        """Arm the watch, or fall back to polling; `kind` and `why` say which. Never raises."""
        network = libc.network_file_system(self._root)
        if network:
            self.why = (
                f"{network} is a FUSE mount, where changes made elsewhere may raise no events"
                if network.startswith("fuse")
                else f"{network} is a network file system, where changes raise no events"
            )
            return
        try:
            self._observer = SHARED.join(self, self._canary)
            self._scheduled = self._observer.schedule(
                _Handler(self), self._root, recursive=True, event_filter=EVENTS
            )
        except (OSError, RuntimeError) as error:
            self._fall_back(_say(error))
            return
        self.kind = "inotify"
        self.why = "the kernel reports changes"
        self._check_limit()

    def stop(self) -> None:
        """Stop watching and forget what was not drained."""
        observer, self._observer = self._observer, None
        scheduled, self._scheduled = self._scheduled, None
        if observer is not None and scheduled is not None:
            unschedule(observer, scheduled)
        SHARED.leave(self)
        self._queue.clear()

    def drain(self) -> Hints:
        """Return the hints since the last call. Takes no time when there are none."""
        self._is_woken = False  # first, so that later events wake the loop again
        changed: set[str] = set()
        closed: set[str] = set()
        renamed: set[str] = set()
        for _ in range(len(self._queue)):
            event = self._queue.popleft()
            name = self._name_of(event.path)
            if name is None:
                continue
            changed.add(name)
            if event.is_closed:
                closed.add(name)
                # A file that was written to after its rename counts as closed only.
                renamed.add(name) if event.is_renamed else renamed.discard(name)
        rescan, self._has_lost = self._has_lost, False
        if self._look_again_at is not None and time.monotonic() >= self._look_again_at:
            self._look_again_at = None
            rescan = True
        return Hints(changed, closed, rescan, renamed)

    def is_alive(self, now: float) -> bool:
        """Tell whether hints still come. If not, the caller stops it, starts another, and scans.

        If no watch was left, so that it polls, it asks for another try after some time.

        Args:
            now: monotonic seconds.
        """
        if self.kind == "poll":
            return self._retry_at is None or now < self._retry_at
        observer = self._observer
        if observer is None or self._is_broken or not threads_live(observer):
            return False
        emitters = [e for e in observer.emitters if e.watch == self._scheduled]
        # When a root is deleted, its emitter ends, but the observer itself does not notice.
        if not emitters or not all(e.is_alive() for e in emitters):
            return False
        if self._has_new_folders and now >= self._probe_at:
            self._probe_at = now + PROBE_EVERY_S
            self._has_new_folders = False
            self._check_limit()
        return SHARED.sings(now)

    @property
    def is_worn(self) -> bool:
        """Whether folders were moved away. The caller then starts another watch when it next scans.

        Watchdog keeps the kernel's watch of each, and may die of them later:
        findings/watchdog-watches-what-was-moved-out.sh. While hints wait, the answer is no, as they
        would be lost.
        """
        return self._has_left_folders and not self._queue

    # -- called from watchdog's threads -------------------------------------------------

    def enqueue(
        self, path: str, *, is_closed: bool, is_new_folder: bool, is_renamed: bool = False
    ) -> None:
        """Note one event. Only appends, so that it neither blocks nor fails."""
        if len(self._queue) < LONGEST_QUEUE:
            self._queue.append(_Event(path, is_closed, is_renamed))
        else:
            self._has_lost = True
        if is_new_folder:
            self._has_new_folders = True
        self._wake_once()

    def folder_left(self) -> None:
        """Note that a folder was moved away."""
        self._has_left_folders = True

    def lost_events(self) -> None:
        """Note that the kernel's queue overflowed."""
        self.overflows += 1
        self._look_again_at = time.monotonic() + SECOND_LOOK_S
        self._has_lost = True
        self._wake_once()

    def lost_watches(self) -> None:
        """Note that watchdog could not re-arm its watches."""
        self._is_broken = True
        self._has_lost = True
        self._wake_once()

    def _wake_once(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    # -- private ------------------------------------------------------------------------

    def _name_of(self, path: str) -> str | None:
        """Return the name text of an event's path, or None if nothing is to be looked at."""
        if not path.startswith(self._root + "/"):
            if path == self._root:
                self._has_lost = True  # the folder itself was removed or moved
            return None
        inner = path[len(self._root) + 1 :]
        if any(map(is_ignored, inner.split("/"))):
            return None
        return name_from_bytes(os.fsencode(inner))

    def _check_limit(self) -> None:
        """Fall back to polling if no watch is left, because watchdog skips sub-folders silently."""
        number = libc.inotify_watch_refusal(os.fsencode(self._root))
        if number == errno.ENOSPC:
            self._fall_back(_say(OSError(number, "")))

    def _fall_back(self, why: str) -> None:
        self.stop()
        self.kind = "poll"
        self.why = why
        self._retry_at = time.monotonic() + RETRY_INOTIFY_S
        self._has_lost = True


class _Handler(FileSystemEventHandler):
    """Puts the events of one root into its watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            enqueue = self._watch.enqueue
            is_folder = event.is_directory
            is_move = isinstance(event, FileMovedEvent | DirMovedEvent)
            is_arrival = is_folder and isinstance(event, DirCreatedEvent | DirMovedEvent)
            if event.src_path:
                is_closed = isinstance(event, FileClosedEvent)
                enqueue(os.fsdecode(event.src_path), is_closed=is_closed, is_new_folder=is_arrival)
            if is_move and event.dest_path:
                enqueue(
                    os.fsdecode(event.dest_path),
                    is_closed=not is_folder,
                    is_new_folder=is_arrival,
                    is_renamed=not is_folder,
                )
            elif is_move and is_folder:
                self._watch.folder_left()
        except Exception:  # noqa: BLE001 - watchdog's thread would end for good
            self._watch.lost_events()


def _say(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOSPC:
        return "no inotify watch is left: raise the sysctl fs.inotify.max_user_watches"
    if number == errno.EMFILE:
        return "no inotify instance is left: raise the sysctl fs.inotify.max_user_instances"
    return f"inotify cannot be started: {error}"
