"""The one inotify observer that all watches share, so that they need one inotify instance.

Promises: its watches learn of events that were lost, which watchdog only writes to its log.
`SharedObserver.sings` says whether events arrive at all: now and then a canary file is written,
whose event must come.

Leaves to others: what an event means (`pixd.folders.watch`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from typing import TYPE_CHECKING, Protocol

from watchdog.events import FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

if TYPE_CHECKING:
    from pathlib import Path

    from watchdog.observers.api import BaseObserver, ObservedWatch

CANARY_EVERY_S = 10.0
CANARY_LATE_S = 60.0
MOST_NAMES = 10_000
"""How many names that were used twice are got past where a folder is no longer to be watched."""


class Sharer(Protocol):
    """A watch that shares the observer."""

    def lost_events(self) -> None:
        """Note that the kernel's queue overflowed."""

    def lost_watches(self) -> None:
        """Note that watchdog could not re-arm its watches."""


class _Canary(FileSystemEventHandler):
    """A file in a folder of the store that is written now and then, to see the event arrive."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "canary"
        self._written_at: float | None = None
        self._next_at = 0.0
        self.has_sung = False

    def dispatch(self, event: FileSystemEvent) -> None:
        del event
        self.has_sung = True

    def sings(self, now: float) -> bool:
        if self.has_sung:
            self.has_sung = False
            self._written_at = None
        if self._written_at is not None:
            return now - self._written_at < CANARY_LATE_S
        if now >= self._next_at:
            self._next_at = now + CANARY_EVERY_S
            # A store that cannot be written is reported elsewhere.
            with contextlib.suppress(OSError):
                self._file.write_bytes(b"")
                self._written_at = now
        return True


class SharedObserver:
    """Starts with the first watch that joins, and ends with the last that leaves."""

    def __init__(self) -> None:
        """Prepare; nothing runs before the first `join`."""
        self._lock = threading.Lock()
        self._watches: set[Sharer] = set()
        self._observer: BaseObserver | None = None
        self._canary: _Canary | None = None

    def join(self, watch: Sharer, canary: Path | None) -> BaseObserver:
        """Return the running observer, and from now on report to `watch` what is lost.

        Args:
            watch: until it leaves, the observer runs.
            canary: a folder of the store for the canary; None where none is needed.

        Raises:
            OSError: no observer can be started.
        """
        with self._lock:
            observer = self._observer
            if observer is None or not threads_live(observer):
                if observer is not None:
                    _end(observer)  # the watches that it still has ask for the next one too
                _listen()
                # "Full": a rename into the folder is reported as one, not as a creation.
                observer = InotifyObserver(generate_full_events=True)
                observer.daemon = True
                observer.start()
                self._observer = observer
                self._canary = None
            if canary is not None and self._canary is None:
                canary.mkdir(exist_ok=True)
                singer = _Canary(canary)
                observer.schedule(singer, os.path.realpath(canary), event_filter=[FileClosedEvent])
                self._canary = singer
            self._watches.add(watch)
            return observer

    def leave(self, watch: Sharer) -> None:
        """Report nothing more to `watch`; it need not have joined."""
        with self._lock:
            self._watches.discard(watch)
            # An observer whose canary fell silent is of no use to the next watch either.
            if self._watches:
                return
            observer, self._observer, self._canary = self._observer, None, None
        if observer is not None:
            _end(observer)

    def sings(self, now: float) -> bool:
        """Tell whether events still arrive, as far as a canary says. `now`: monotonic seconds."""
        return self._canary is None or self._canary.sings(now)

    @property
    def canary_sang(self) -> bool:
        """Whether the canary was heard since it was last asked."""
        return self._canary is not None and self._canary.has_sung

    def all(self) -> list[Sharer]:
        """Return the watches that have joined and not left."""
        return list(self._watches)


SHARED = SharedObserver()


def _end(observer: BaseObserver) -> None:
    """Stop an observer, also one whose reader died, so that its inotify instance is given back."""
    for emitter in list(observer.emitters):
        unschedule(observer, emitter.watch)
    observer.stop()
    observer.join(5.0)


def unschedule(observer: BaseObserver, scheduled: ObservedWatch) -> None:
    """Take a folder from an observer. Nothing happens if it has no such folder."""
    # What reads the events of one folder has no public name in watchdog 7.1.
    groups = [getattr(e, "_inotify", None) for e in observer.emitters if e.watch == scheduled]
    try:
        observer.unschedule(scheduled)
    except OSError:
        pass
    except KeyError:
        # A name was used twice: findings/watchdog-watches-what-was-moved-out.sh. Each try gets past
        # one such name; without this the emitter's thread would wait for ever.
        for group in filter(None, groups):
            for _ in range(MOST_NAMES):
                with contextlib.suppress(KeyError):
                    group.deactivate()
                    break


def threads_live(observer: BaseObserver) -> bool:
    """Tell whether the threads that deliver events are alive."""
    # The thread that reads the inotify descriptor has no public name in watchdog 7.1.
    reader = getattr(observer, "_inotify_fd", None)
    return observer.is_alive() and (reader is None or reader.is_alive())


# -- what watchdog writes only to its log ------------------------------------------------------


class _LogListener(logging.Handler):
    """Receives news of lost events, which watchdog 7.1 only writes to its log.

    Source: InotifyFD.handle_event in watchdog/observers/inotify_c.py, and
        InotifyWatchGroup.on_queue_overflow in watchdog/observers/inotify.py.
    """

    def emit(self, record: logging.LogRecord) -> None:
        is_overflow = record.name == "watchdog.observers.inotify_c"
        for watch in SHARED.all():
            if is_overflow:
                watch.lost_events()
            elif record.exc_info:
                watch.lost_watches()


_listener = _LogListener(logging.WARNING)


def _listen() -> None:
    # watchdog warns of a harmless race between a new folder and its parent's walk. Where
    # warnings are errors, that ends the thread which reads events.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    for name in ("watchdog.observers.inotify_c", "watchdog.observers.inotify"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)  # whatever the root logger shows
        if _listener not in logger.handlers:
            logger.addHandler(_listener)
