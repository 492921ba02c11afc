"""Pictures of the store, by content: a thumbnail, the picture as the model sees it, the bytes.

No request names a path. A digest must be known to the database, its bytes present, and nobody may
have recalled it. `<img>` sends no token, so an address carries a signature of its own.
"""

from __future__ import annotations

import functools
import os
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pixd.config.value_range import bits_of
from pixd.store.queries import gallery
from pixd.store.queries.lineage import object_path
from pixd.system.children.confinement import MEGAPIXELS
from pixd.system.children.spec import DecodeSpec
from pixd.web import replies
from pixd.web.held_out import pair_name, pair_request
from pixd.web.replies import RefusalError
from pixd.web.viewer import VIEW_PX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader
    from pixd.web.access import Secrets
    from pixd.web.viewer import Viewer
    from pixd.web.world import World

KINDS = ("thumb", "view", "original")
SMALLEST_PX, LARGEST_PX = 32, 1024
_HEX = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_CHUNK = 1 << 18
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_NOT_MODIFIED = 304
_PARTIAL = 206
_SANDBOX = "sandbox; default-src 'none'"


class Shown(NamedTuple):
    """Addresses of contents that may be shown, for an answer."""

    secrets: Secrets
    allowed: frozenset[str]

    def of(self, digest: str | None) -> dict[str, str] | None:
        """Return the addresses of a content; None where it cannot be shown."""
        if digest is None or digest not in self.allowed:
            return None
        hexadecimal = digest.removeprefix("sha256:")
        made = {
            kind: f"/picture/{hexadecimal}/{kind}?k={self.secrets.signature(hexadecimal, kind)}"
            for kind in KINDS
        }
        return {**made, "digest": digest}


def shown(reader: Reader, world: World, digests: Iterable[str | None]) -> Shown:
    """Find out which of these contents may be shown."""
    wanted = [one for one in digests if one]
    return Shown(world.access.secrets, frozenset(gallery.may_be_shown(reader, wanted)))


def routes(world: World, viewer: Viewer) -> list[Route]:
    """Return the addresses of pictures."""

    async def picture(request: Request) -> Response:
        return await _picture(world, viewer, request)

    async def pair(request: Request) -> Response:
        return await _pair(world, viewer, request)

    return [
        Route("/picture/pair/{pipeline}/{number:number}/{index:number}/{part}", pair),
        Route("/picture/{digest}/{kind}", picture),
    ]


async def _picture(world: World, viewer: Viewer, request: Request) -> Response:
    hexadecimal, kind = request.path_params["digest"], request.path_params["kind"]
    if not _HEX.fullmatch(hexadecimal) or kind not in KINDS:
        raise RefusalError(
            replies.NOT_FOUND,
            "there is no such picture",
            advice="the lists have the addresses of pictures",
        )
    _check_signed(world, request, hexadecimal, kind)
    digest = f"sha256:{hexadecimal}"
    name, pipeline = await world.read(_check_shown, world.settings, digest)
    square = _square(request) if kind == "view" else None
    keeps = _keeps_colours(request)
    etag = f'"{hexadecimal[:32]}-{kind}{square or ""}{keeps}"'
    headers = {"etag": etag, **_FOREVER}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    source = object_path(world.settings.store, digest)
    if kind == "original":
        return await _original(world, source, request, headers, name or f"{hexadecimal[:12]}")
    spec = spec_of(pipeline)
    if kind == "thumb":
        data = await viewer.thumb(source, digest, spec)
        return Response(data, headers=headers, media_type="image/webp")
    asked: dict[str, Any] = {"want": "view", "image": str(source), "most": VIEW_PX}
    if square:
        asked = {"want": "square", "image": str(source), "size": square, "fit": "pad"}
        asked["keeps_colours"] = bool(keeps)
    _, data = await viewer.ask(asked, spec)
    return Response(data, headers=headers, media_type="image/png")


async def _pair(world: World, viewer: Viewer, request: Request) -> Response:
    named = request.path_params
    number, index, part = int(named["number"]), int(named["index"]), named["part"]
    if part not in {"input", "target"}:
        raise RefusalError(
            replies.NOT_FOUND,
            "there is no such picture",
            advice="the lists have the addresses of pictures",
        )
    # First, because the answer for an unknown pipeline names those that there are.
    _check_signed(world, request, pair_name(named["pipeline"], number, index), part)
    pipeline = world.pipeline(named["pipeline"])
    asked = await world.read(pair_request, world.settings.store, pipeline, number, index)
    keeps = _keeps_colours(request)
    etag = f'"{asked.pop("etag")}-{part}{keeps}"'
    headers = {"etag": etag, **_FOREVER}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    spec = DecodeSpec(
        max_megapixels=pipeline.max_megapixels, bits=asked.pop("bits"), are_ids=asked.pop("are_ids")
    )
    asked |= {"want": "pair", "part": part, "keeps_colours": bool(keeps)}
    _, data = await viewer.ask(asked, spec)
    return Response(data, headers=headers, media_type="image/png")


def spec_of(pipeline: PipelineSettings | None) -> DecodeSpec:
    """Return how a picture is decoded: as an input of this pipeline, or as any other file."""
    if pipeline is None:
        return DecodeSpec(max_megapixels=MEGAPIXELS)
    return DecodeSpec(
        max_megapixels=pipeline.max_megapixels,
        bits=bits_of(pipeline.value_range),
        are_ids=pipeline.labels == "ids",
    )


def _check_signed(world: World, request: Request, of: str, kind: str) -> None:
    given = request.query_params.get("k", "")
    if request.state.right is None and not world.access.secrets.is_signed(of, kind, given):
        raise RefusalError(
            replies.FORBIDDEN,
            "the signature of this address is missing or old",
            advice="load the page again",
        )


def _check_shown(
    reader: Reader, settings: Settings, digest: str
) -> tuple[str, PipelineSettings | None]:
    """Return the name of a content, and the pipeline that it is an input of."""
    if not gallery.is_picture(reader, digest):
        raise RefusalError(
            replies.NOT_FOUND,
            "there is no such picture",
            advice="the lists have the addresses of pictures",
        )
    if not gallery.may_be_shown(reader, [digest]):
        raise RefusalError(
            replies.GONE,
            "this picture was removed or recalled",
            advice="`pixd gc --undo` brings back what is in the trash",
        )
    by_name = {one.name: one for one in settings.pipelines}
    of = by_name.get(gallery.input_of(reader, digest))
    return gallery.name_of(reader, digest), of


def _square(request: Request) -> int | None:
    text = request.query_params.get("size")
    if text is None:
        return None
    if not text.isdecimal() or not SMALLEST_PX <= int(text) <= LARGEST_PX:
        raise RefusalError(
            replies.UNPROCESSABLE,
            f"size: expected {SMALLEST_PX} to {LARGEST_PX}, got {text[:20]}",
            advice="leave it out for the picture's own size",
        )
    return int(text)


def _keeps_colours(request: Request) -> str:
    """Return what an address is told apart by: whether a label map is to keep its colours."""
    return "-nearest" if request.query_params.get("nearest") == "1" else ""


async def _original(
    world: World, source: os.PathLike[str], request: Request, headers: Mapping[str, str], name: str
) -> Response:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = await world.call(os.open, source, flags)
    except OSError as error:
        raise RefusalError(
            replies.GONE, f"the bytes cannot be read: {error.strerror}", advice="pixd verify"
        ) from error
    size = os.fstat(fd).st_size
    start, end, status = 0, size, 200
    if (wanted := request.headers.get("range")) is not None:
        try:
            start, end = _range(wanted, size)
        except RefusalError:
            os.close(fd)
            raise
        status = _PARTIAL
    quoted = urllib.parse.quote(name.encode("utf-8", "surrogateescape"), safe="")
    more = {
        **headers,
        "content-disposition": f"attachment; filename*=UTF-8''{quoted}",
        "content-security-policy": _SANDBOX,
        "accept-ranges": "bytes",
        "content-length": str(end - start),
    }
    if status == _PARTIAL:
        more["content-range"] = f"bytes {start}-{end - 1}/{size}"
    if request.method == "HEAD":
        os.close(fd)
        return Response(None, status, more, media_type="application/octet-stream")
    return _Streamed(fd, _chunks(world, fd, start, end), status, more)


class _Streamed(StreamingResponse):
    """The bytes of an open file, which is closed also if the client left before the first."""

    def __init__(
        self, fd: int, content: AsyncIterator[bytes], status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, status, headers, media_type="application/octet-stream")
        self._fd = fd

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._fd)


async def _chunks(world: World, fd: int, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        read = functools.partial(os.pread, fd, min(_CHUNK, end - start), start)
        chunk = await world.call(read)
        if not chunk:
            return
        start += len(chunk)
        yield chunk


def _range(wanted: str, size: int) -> tuple[int, int]:
    """Return the one range that is wanted, as start and end.

    Raises:
        RefusalError: there are several, or it lies outside.
    """
    found = _RANGE.fullmatch(wanted.strip())
    if found and (found[1] or found[2]):
        if not found[1]:
            start, end = max(0, size - int(found[2])), size
            is_inside = int(found[2]) > 0
        else:
            start, end = int(found[1]), min(size, int(found[2] or size) + 1)
            is_inside = start < size and start < end
        if is_inside:
            return start, end
    raise RefusalError(
        replies.RANGE_REFUSED,
        "expected one range within the file",
        headers={"content-range": f"bytes */{size}"},
        advice="leave Range out for the whole",
    )
