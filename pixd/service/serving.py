"""Serve a configuration as long as asked, also while its store is away.

Around `pixd.service.loop.Service`, which has an open store: while the store is not there, this
waits for it, writes nowhere in its place, and says why, in the log, to systemd, and for
`pixd status` in the note outside the store (`pixd.store.outside`). When the same store is back, a
new service takes it up, as after a crash.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.service import beginning
from pixd.service.loop import ONCE_PATIENCE_S, Service
from pixd.service.page_process import PageProcess
from pixd.service.signals import Signals
from pixd.store import place
from pixd.store.events import Event, Level
from pixd.store.outside import Note, OutsideNote
from pixd.system import systemd
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError, StoreBusyError, StoreError, StoreGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixd.config import Settings

LOOK_EVERY_S = 1.0
"""Between two looks for a store that is away."""
TELL_EVERY_S = 10.0


class Server:
    """One `pixd run`: its signals, its note, and one service after the other."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[Event], None],
        *,
        is_asked_anew: bool,
        is_page_asked: bool = False,
    ) -> None:
        """Look at nothing yet.

        Args:
            settings: the checked configuration.
            say: called with each event.
            is_asked_anew: a new store may be made where there was one (`--new-store`).
            is_page_asked: the page runs beside the service (`--web`).
        """
        self._settings = settings
        self._say = say
        self._is_asked_anew = is_asked_anew
        self._signals = Signals()
        self._page = PageProcess(is_asked=is_page_asked)
        self._note = OutsideNote(settings.path)
        self._known = self._note.last
        self._gone_since: float | None = None  # monotonic seconds; None where it never was
        self._has_begun = False
        self._told_of = ""  # what was last said aloud

    @property
    def has_begun(self) -> bool:
        """Whether it served anything, or waited for its store."""
        return self._has_begun

    def run(self, *, once: bool, tick: Callable[[Service], None] | None) -> int:
        """Serve until a signal, or with `once` until nothing is due.

        Returns:
            The exit code: with `once` 1 where something failed, else 0.

        Raises:
            PixdError: it cannot begin; with `once` also where the store does not come back.
        """
        with (
            contextlib.closing(self._note),
            self._signals.installed(),
            contextlib.ExitStack() as stack,
        ):
            stack.callback(self._page.stop)
            while True:
                service = self._begin(once=once)
                if service is None:
                    return 0
                try:
                    return service.run(once=once, tick=tick if once else self._beside(tick))
                except StoreGoneError as error:
                    self._settings = service.settings
                    service.abandon()
                    self._tell(error)

    def _beside(self, tick: Callable[[Service], None] | None) -> Callable[[Service], None]:
        """Return what is done after each step: the page is looked after, and then `tick`."""

        def both(service: Service) -> None:
            said = self._page.step(service.settings, time.monotonic())
            if service.page_trouble != self._page.trouble:
                service.page_trouble = self._page.trouble
                service.heartbeat.beat_soon()
            if said:
                self._say(Event(utc_now(), "warning", "", "web", "", said))
            if tick:
                tick(service)

        return both

    def _begin(self, *, once: bool) -> Service | None:
        """Return a service with the store open; None where a signal ends the wait for it."""
        told_at = time.monotonic()
        while not self._signals.stop:
            now = time.monotonic()
            try:
                return self._open()
            except StoreGoneError as error:
                why: PixdError = error
            except StoreError as error:
                if self._gone_since is None:
                    raise
                why = error  # such as a store whose database is not back yet
            waited_s = now - (self._gone_since or now)
            if once and (self._gone_since is None or waited_s > ONCE_PATIENCE_S):
                raise why
            if why.message != self._told_of or now > told_at + TELL_EVERY_S:
                self._tell(why)
                told_at = now
            self._wait()
        self._signals.close()
        return None

    def _open(self) -> Service:
        """Open the store if it may be, and note which one it is.

        Raises:
            StoreGoneError: it is not there.
            PixdError: it cannot be opened.
        """
        folder = self._settings.store
        error = beginning.why_not(self._settings, self._known, is_asked_anew=self._is_asked_anew)
        if error is not None:
            if self._note.holder is not None:
                raise StoreBusyError(
                    f"another pixd (pid {self._note.holder}) waits for the store {folder}",
                    advice="ask it with `pixd status`, or stop it first",
                ) from error
            raise error
        is_there = not place.why_not_there(folder)
        service = Service(
            self._settings, self._say, may_make_store=not is_there, signals=self._signals
        )
        self._is_asked_anew = False
        self._known = Note(
            identity=service.store.identity, path=str(folder), pid=os.getpid(), at=utc_now()
        )
        self._note.write(self._known)
        names = ", ".join(p.name for p in self._settings.pipelines)
        if self._gone_since is None:
            told = f"pixd serves {names} from {self._settings.path}; Ctrl-C stops it"
            self._say(_about_service("info", told))
        else:
            lasted_s = time.monotonic() - self._gone_since
            told = f"the store at {folder} is back after {lasted_s:.0f} s; pixd goes on"
            service.store.note("", "warning", "blocked", told)
            self._gone_since, self._told_of = None, ""
        self._has_begun = True
        return service

    def _tell(self, why: PixdError) -> None:
        """Say in the log, to systemd and in the note what is waited for."""
        self._has_begun = True
        if self._gone_since is None:
            self._gone_since = time.monotonic()
        if why.message != self._told_of:
            self._told_of = why.message
            told = f"blocked: {why.message}; {why.advice}" if why.advice else why.message
            self._say(Event(utc_now(), "warning", "", "blocked", "", told))
        self._note.write(
            Note(
                identity=self._known.identity,
                path=self._known.path,
                pid=os.getpid(),
                at=utc_now(),
                blocked=why.message,
                advice=why.advice,
            )
        )
        text = " ".join(why.message.split())
        systemd.notify(f"READY=1\nSTATUS=blocked, {text}")

    def _wait(self) -> None:
        """Wait a little, or until a signal; take a changed configuration when asked."""
        poll = select.poll()
        poll.register(self._signals.wake.fileno(), select.POLLIN)
        poll.poll(LOOK_EVERY_S * 1000)
        self._signals.wake.drain()
        systemd.notify("WATCHDOG=1")
        if self._signals.has_asked_to_reload:
            self._signals.has_asked_to_reload = False
            systemd.notify_reloading()
            try:
                self._settings = load(self._settings.path)
            except PixdError as error:
                told = f"the changed configuration is not in force: {error.message}"
                self._say(Event(utc_now(), "error", "", "config", "", told))
            systemd.notify("READY=1")


def _about_service(level: Level, message: str) -> Event:
    return Event(utc_now(), level, "", "service", "", message)
