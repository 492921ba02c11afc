"""What all answers need: the configuration as it is now, and the store, read in a few threads."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from pixd.config import refusals
from pixd.config.load import load
from pixd.store import lock
from pixd.store.queries import status as store_status
from pixd.system import control_socket
from pixd.system.errors import CannotTellError, PixdError, ServiceNotRunningError
from pixd.web import replies
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.web.access import Access

READERS = 4
"""How many threads read the store at once: more would take turns at the same processor."""
WRITERS = 8
ASKERS = 4
"""Requests that wait for the service at once; each may wait for a long step of it."""
T = TypeVar("T")
_log = logging.getLogger(__name__)


class World:
    """The configuration, the store and the page's own folders."""

    def __init__(self, settings: Settings, access: Access, cache: Path) -> None:
        """Keep what the page works with; nothing is opened yet."""
        self.access = access
        self.cache = cache
        self._settings = settings
        self._stamp = _stamp(settings.path)
        self._limiter: CapacityLimiter | None = None
        self._writers: CapacityLimiter | None = None
        self._askers: CapacityLimiter | None = None

    @property
    def settings(self) -> Settings:
        """The configuration, read again when its file changed; a wrong one is not taken."""
        stamp = _stamp(self._settings.path)
        if stamp != self._stamp:
            try:
                changed = load(self._settings.path)
                if self._is_for_the_next_service(changed):
                    return self._settings  # asked again, until the service was restarted
                self._settings = changed
            except PixdError as error:
                _log.warning("the changed configuration is not in force: %s", error.message)
            self._stamp = stamp
        return self._settings

    def _is_for_the_next_service(self, changed: Settings) -> bool:
        """Tell whether a configuration names another store than the running service has open."""
        present = self._settings.store
        if refusals.is_same_store(present, changed.store):
            return False
        return lock.holder_pid(present) is not None

    def pipeline(self, name: str) -> PipelineSettings:
        """Return a pipeline by its name.

        Raises:
            RefusalError: there is none.
        """
        for pipeline in self.settings.pipelines:
            if pipeline.name == name:
                return pipeline
        names = ", ".join(one.name for one in self.settings.pipelines)
        raise RefusalError(
            replies.NOT_FOUND, f"there is no pipeline {name}", advice=f"one of: {names}"
        )

    async def call(self, function: Callable[..., T], *values: Any, **named: Any) -> T:
        """Call something that blocks, in one of the few threads."""
        if self._limiter is None:  # it belongs to the running loop
            self._limiter = CapacityLimiter(READERS)
        bound = functools.partial(function, *values, **named)
        return await run_sync(bound, limiter=self._limiter)

    async def write(self, function: Callable[..., T], *values: Any) -> T:
        """Call something that waits for the disk of a watched folder, in threads apart.

        Such a disk may hang, and answers from the store must not wait for it.
        """
        if self._writers is None:
            self._writers = CapacityLimiter(WRITERS)
        return await run_sync(functools.partial(function, *values), limiter=self._writers)

    async def ask(self, op: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the service, in threads apart: it may take long, and the store can be read meanwhile.

        Raises:
            ServiceNotRunningError: there is none.
            PixdError: what the service says against it.
        """
        if self._askers is None:
            self._askers = CapacityLimiter(ASKERS)
        ask = functools.partial(control_socket.request, self.settings.store, op, arguments)
        try:
            return await run_sync(ask, limiter=self._askers)
        except FileNotFoundError as error:
            raise ServiceNotRunningError(
                "there is no store yet", advice="start the service: pixd run"
            ) from error

    async def look(self, function: Callable[..., T], *values: Any) -> T:
        """Call `function(reader, ...)` that also looks into a watched folder, in threads apart."""
        return await self.write(self._with_reader, function, *values)

    async def read(self, function: Callable[..., T], *values: Any, **named: Any) -> T:
        """Call `function(reader, ...)` with the store open; all that it reads is of one moment.

        Raises:
            CannotTellError: there is no store, or it cannot be read.
        """
        return await self.call(self._with_reader, function, *values, **named)

    def _with_reader(self, function: Callable[..., T], *values: Any, **named: Any) -> T:
        with self.opened() as reader:
            if reader is None:
                raise CannotTellError(
                    "there is no store yet", advice="the service makes it: pixd run"
                )
            return function(reader, *values, **named)

    def opened(self) -> Any:
        """Open the store for reading; None inside where there never was one."""
        return store_status.open_snapshot(self.settings.store)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return about.st_ino, about.st_mtime_ns
