"""The stream of events: the status when it changed, and which list is another one now.

One watcher looks once a second, however many listen, and nobody looks where nobody listens. It
looks at the times of three files; only where one is another is the store asked. A slow listener
gets the newest state, not a queue of old ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pixd.answers import status
from pixd.store import connection, heartbeat, lock
from pixd.store.queries import gallery
from pixd.system.errors import PixdError
from pixd.web import replies
from pixd.web.replies import RefusalError, told_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

    from pixd.web.access import Secrets
    from pixd.web.world import World

MOST_STREAMS = 32
_TYPE = "text/event-stream"
LOOK_EVERY_S = 1.0
COMMENT_EVERY_S = 2.0
"""The page takes a stream that is silent for 4.5 s for one whose process hangs."""
REFRESH_S = 10.0
"""So old a status may get: ages and times left in it are then told anew."""
_TIMES = frozenset({"at", "last_scan_at"})
_VOLATILE = ("uptime_seconds", "last_seen", "disk_free_bytes")
_log = logging.getLogger(__name__)


class _Listener:
    """One stream: what it has not been sent yet, the newest of each kind."""

    def __init__(self) -> None:
        self.pending: dict[str, str] = {}
        self.stirred = asyncio.Event()

    def put(self, key: str, event: str, data: Any) -> None:
        text = json.dumps(data, separators=(",", ":"), default=str)
        self.pending[key] = f"event: {event}\ndata: {text}\n\n"
        self.stirred.set()


class Events:
    """The watcher and its listeners."""

    def __init__(self, world: World) -> None:
        """Watch nothing yet."""
        self._world = world
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._seen: tuple[object, ...] = ()
        self._told: dict[str, Any] = {}
        self._told_at = 0.0
        self._versions: dict[str, dict[str, str]] = {}

    def routes(self) -> list[Route]:
        """Return the address of the stream."""
        return [Route("/api/events", self._answer, methods=["GET"])]

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _answer(self, request: Request) -> Response:
        headers = {**replies.NO_STORE, "x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=_TYPE)
        if len(self._listeners) >= MOST_STREAMS:
            raise RefusalError(
                replies.TOO_MANY,
                f"{MOST_STREAMS} pages listen already",
                advice="close some",
                headers={"retry-after": "5"},
            )
        return StreamingResponse(self._stream(), headers=headers, media_type=_TYPE)

    def _joined(self) -> _Listener:
        """Return a new listener; the watcher runs from then on."""
        listener = _Listener()
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._seen, self._versions, self._told_at = (), {}, 0.0
            self._task = asyncio.create_task(self._watch())
        elif self._told:
            listener.put("status", "status", self._told)
        return listener

    async def _stream(self) -> AsyncIterator[str]:
        secrets = self._secrets()
        # Not before the answer has begun: one that never does would never leave.
        listener = self._joined()
        try:
            yield "retry: 2000\n\n"
            while True:
                try:
                    async with asyncio.timeout(COMMENT_EVERY_S):
                        await listener.stirred.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                if self._secrets() != secrets:
                    return  # new tokens end all sessions
                listener.stirred.clear()
                waiting, listener.pending = listener.pending, {}
                for text in waiting.values():
                    yield text
        finally:
            self._listeners.discard(listener)

    def _secrets(self) -> Secrets | None:
        try:
            return self._world.access.secrets
        except PixdError:
            return None  # the gate says so in the log

    async def _watch(self) -> None:
        while self._listeners:
            try:
                await self._look()
            except PixdError as error:
                self._tell("status", "gone", told_error(error))
                self._seen = ()
            except Exception:  # noqa: BLE001 - the watcher outlives any fault of one look
                _log.exception("the watcher met an error that nobody foresaw")
                self._seen = ()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        seen = await self._world.call(self._signals)
        is_old = loop.time() - self._told_at > REFRESH_S
        if seen == self._seen and not is_old:
            return
        is_changed = seen != self._seen
        self._seen = seen
        now = await self._world.call(lambda: status.snapshot(self._world.settings))
        if is_old or _lasting(now) != _lasting(self._told):
            self._told, self._told_at = now, loop.time()
            self._tell("status", "status", now)
        if is_changed:
            await self._tell_lists()

    async def _tell_lists(self) -> None:
        names = [one.name for one in self._world.settings.pipelines]
        found = await self._world.call(self._read_versions, names)
        for name, versions in found.items():
            before = self._versions.get(name)
            for what, version in versions.items():
                if before is not None and before[what] != version:
                    self._tell(f"{name}/{what}", "changed", {"pipeline": name, "what": what})
        self._versions = found

    def _read_versions(self, names: list[str]) -> dict[str, dict[str, str]]:
        with self._world.opened() as reader:
            if reader is None:
                return {}
            return {name: gallery.version(reader, name) for name in names}

    def _signals(self) -> tuple[object, ...]:
        """Return what differs when something happened: no store is opened for it."""
        store = self._world.settings.store
        database = store / connection.DATABASE
        seen: list[object] = [_heart(store / heartbeat.LIVE)]
        for path in (database, database.with_name(f"{database.name}-wal")):
            with contextlib.suppress(OSError):
                about = path.stat()
                seen.append((about.st_ino, about.st_mtime_ns, about.st_size))
        with contextlib.suppress(PixdError, OSError):
            seen.append(lock.holder_pid(store))
        return tuple(seen)

    def _tell(self, key: str, event: str, data: Any) -> None:
        for listener in self._listeners:
            listener.put(key, event, data)


def _heart(path: Path) -> str:
    """Return what a heartbeat says but for the time: the service writes one every second."""
    try:
        return json.dumps(_without_times(json.loads(path.read_bytes())))
    except (OSError, ValueError):
        return ""


def _without_times(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: _without_times(value) for key, value in said.items() if key not in _TIMES}
    return said


def _lasting(found: dict[str, Any]) -> dict[str, Any]:
    """Return a status without what changes although nothing happens."""
    rest = {key: value for key, value in found.items() if key not in _VOLATILE}
    rest["pipelines"] = {
        name: {**part, "training": {**part["training"], "last_scan_age_seconds": None}}
        for name, part in found.get("pipelines", {}).items()
    }
    return rest
