"""Addresses of uploads: raw bytes into a folder, bounded before a byte of them is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from pixd.folders import away
from pixd.store import lock
from pixd.store.queries import files, holds
from pixd.system import disk
from pixd.system.children.confinement import file_bytes_of
from pixd.system.names import name_from_bytes
from pixd.web import asked, placing, replies
from pixd.web.access import Right
from pixd.web.placing import Upload
from pixd.web.replies import RefusalError, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.web.world import World

AT_ONCE = 4
BATCH_FILES = 10_000
USUAL_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
_LOOK_EVERY_S = 0.05
_PIECE = 1 << 20  # written at once
_PREFER = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")
_CREATED = 201


class Places:
    """So many uploads may be on their way at once; the next is told to come again."""

    def __init__(self, count: int) -> None:
        """Allow `count`."""
        self._left = count

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Take a place.

        Raises:
            RefusalError: all are taken.
        """
        if not self._left:
            raise RefusalError(
                replies.TOO_MANY,
                "other files are on their way",
                headers={"retry-after": "1", "connection": "close"},
                advice="try again in a moment",
            )
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


def routes(world: World, places: Places) -> list[Route]:
    """Return the addresses."""

    def put_into(kind: str) -> Any:
        async def put(request: Request) -> Response:
            pipeline = world.pipeline(request.path_params["pipeline"])
            return await _put(world, places, pipeline, kind, request)

        return put

    return [
        Route("/api/{pipeline}/input/{name:path}", put_into("input"), methods=["PUT"]),
        Route("/api/{pipeline}/training/{name:path}", put_into("training"), methods=["PUT"]),
    ]


def may_upload(world: World, right: Right | None) -> bool:
    """Tell whether who has this right may put files into the folders."""
    return right is Right.FULL and world.settings.web.uploads


def check_allowed(world: World, right: Right | None) -> None:
    """Refuse where uploads are off.

    Raises:
        RefusalError: they are.
    """
    if not may_upload(world, right):
        raise RefusalError(
            replies.FORBIDDEN,
            "files may not be put here",
            advice="`uploads` of `web` in config.yaml is false, or the link is one to read",
            headers={"connection": "close"},
        )


async def _put(
    world: World, places: Places, pipeline: PipelineSettings, kind: str, request: Request
) -> Response:
    check_allowed(world, request.state.right)
    parts = placing.check_name(asked.name_after(request, 4))
    length = asked.length(request, file_bytes_of(pipeline.max_megapixels))
    if not length:
        raise RefusalError(replies.UNPROCESSABLE, "the file is empty", advice="send a picture")
    root = pipeline.input if kind == "input" else pipeline.training
    async with places.one():
        await check_room(world, pipeline, kind, length)
        upload = await refusing(world, Upload, root, parts)
        try:
            is_new = await _take(world, upload, request, length)
        finally:
            await world.write(upload.close)
    told = {
        "name": name_from_bytes(os.fsencode("/".join(parts))),
        "kind": kind,
        "digest": upload.digest,
        "bytes": upload.size,
    }
    told |= await recorded(world, pipeline.name, kind, told["name"], upload.digest, wait_s(request))
    return reply(told, _CREATED if is_new else 200)


async def check_room(world: World, pipeline: PipelineSettings, kind: str, length: int) -> None:
    """Refuse where a folder is on hold, its disk is away or too full.

    Raises:
        RefusalError: so it is.
    """
    roots = await world.read(holds.roots, pipeline.name)
    root = pipeline.input if kind == "input" else pipeline.training
    if why := await world.write(away.why_away, root, roots.get(kind)):
        raise RefusalError(
            replies.LOCKED,
            f"the {kind} folder: {why}",
            headers={"connection": "close"},
            advice=away.ADVICE,
        )
    why = await world.write(disk.shortage, root, length, pipeline.keep.free_bytes)
    if why:
        raise RefusalError(
            replies.FULL, why, advice="free some space", headers={"connection": "close"}
        )


async def refusing(world: World, function: Any, *values: Any) -> Any:
    """Call something that writes to a disk; what the disk says becomes an answer.

    Raises:
        RefusalError: the disk refuses.
    """
    try:
        return await world.write(function, *values)
    except OSError as error:
        status = replies.FULL if disk.refusal(error) else replies.CONFLICT
        what = error.strerror or type(error).__name__
        raise RefusalError(
            status,
            f"the file cannot be written: {what}",
            advice="may the page's user write into this folder?",
            headers={"connection": "close"},
        ) from error


async def _take(world: World, upload: Upload, request: Request, length: int) -> bool:
    """Take the bytes and put them in place; tell whether the file is a new one.

    Raises:
        RefusalError: it is not as long as it said, or another file has the name.
    """
    standing = await refusing(world, upload.size_standing)
    if standing is not None and standing != length:
        raise _taken()
    async for piece in pieces(request, length):
        await refusing(world, upload.write, piece)
    if await refusing(world, upload.place):
        return True
    there = await refusing(world, upload.standing)
    if there is not None and there[1] == upload.digest:
        return False
    raise _taken()


async def pieces(request: Request, length: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces that are worth a write, and end only if it is whole.

    Raises:
        RefusalError: it is not `length` bytes long, does not come, or the connection broke off.
    """
    came = 0
    piece = bytearray()
    async for chunk in asked.chunks(request):
        came += len(chunk)
        if came > length:
            break
        piece += chunk
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if came != length:
        raise RefusalError(
            replies.BAD_REQUEST,
            "the file is not as long as the request says",
            advice="send it again, whole",
        )
    if piece:
        yield bytes(piece)


def _taken() -> RefusalError:
    return RefusalError(
        replies.CONFLICT,
        "another file has this name, and nothing is overwritten",
        advice="give it another name",
        headers={"connection": "close"},
    )


def wait_s(request: Request) -> float:
    """Return how long the client wants to wait for the file to be recorded (RFC 7240)."""
    found = _PREFER.search(request.headers.get("prefer", ""))
    return min(LONGEST_WAIT_S, float(found[1])) if found else USUAL_WAIT_S


async def recorded(
    world: World, pipeline: str, kind: str, name: str, digest: str, within_s: float
) -> dict[str, Any]:
    """Return the change that recorded a file, and its state; null where none has in time."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    while True:
        row = await world.read(_row, pipeline, kind, name)
        if row is not None and row.digest == digest and row.change_id:
            return {"change": row.change_id, "state": str(row.state), "reason": row.reason}
        is_over = loop.time() >= ends_at
        if is_over or await world.call(lock.holder_pid, world.settings.store) is None:
            told = {"change": None, "state": None, "reason": ""}
            return told if row is None else {**told, "state": str(row.state), "reason": row.reason}
        await asyncio.sleep(_LOOK_EVERY_S)


def _row(reader: Reader, pipeline: str, kind: str, name: str) -> files.FileRow | None:
    return files.file(reader, pipeline, kind, name)
