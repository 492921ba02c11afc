"""What a request says, checked: numbers in range, words among those allowed, bodies of a length."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect

from pixd.web import replies
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from starlette.requests import Request

MOST_ROWS = 500
HIGHEST = 1 << 53
"""The largest whole number that every reader of JSON keeps exact."""
CHUNK_WITHIN_S = 60.0
"""A client that sends nothing for so long has gone."""
_JSON_BYTES = 1 << 16
_MEDIA = re.compile(r"\s*([\w.+-]+/[\w.+-]+)\s*(;.*)?", re.DOTALL)
_LONGEST_NAME = 4096


class _Number(Convertor[int]):
    """A number in an address. Starlette's own takes any: Python and SQLite do not."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


def whole(
    request: Request, name: str, default: int | None, low: int = 0, high: int = HIGHEST
) -> int | None:
    """Return a whole number of the query.

    Raises:
        RefusalError: it is none, or out of range.
    """
    text = _one(request, name)
    if not text:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= 16 and low <= int(text) <= high:  # noqa: PLR2004 - digits of HIGHEST
        return int(text)
    raise _unfit(name, f"a whole number from {low} to {high}", text)


def part(request: Request) -> tuple[int, int]:
    """Return which rows are wanted: the first, and how many."""
    start = whole(request, "from", 0)
    count = whole(request, "count", 100, 0, MOST_ROWS)
    assert start is not None  # they have defaults
    assert count is not None
    return start, count


def word(request: Request, name: str, default: str, allowed: Collection[str]) -> str:
    """Return a word of the query.

    Raises:
        RefusalError: it is not among those allowed.
    """
    text = _one(request, name) or default
    if text in allowed:
        return text
    raise _unfit(name, " or ".join(sorted(filter(None, allowed))), text)


def text(request: Request, name: str) -> str:
    """Return a text of the query that a name in the store may hold; "" where there is none.

    Raises:
        RefusalError: it is too long, or no text.
    """
    return _fit(name, _one(request, name))


def texts(request: Request, name: str, most: int) -> tuple[str, ...]:
    """Return the texts of the query that are given under a name, each as `text` has it.

    Raises:
        RefusalError: they are too many, or one is too long or no text.
    """
    found = request.query_params.getlist(name)
    if len(found) > most:
        raise _unfit(name, f"it at most {most} times", f"{len(found)} times")
    return tuple(_fit(name, one) for one in found)


def _one(request: Request, name: str) -> str:
    """Return a value of the query; "" where it is not there.

    Raises:
        RefusalError: it is there several times.
    """
    found = request.query_params.getlist(name)
    if len(found) > 1:
        raise _unfit(name, "it once", f"{len(found)} times")
    return found[0] if found else ""


def _fit(name: str, found: str) -> str:
    if len(found) > _LONGEST_NAME or "\0" in found or not _is_utf8(found):
        raise _unfit(name, "a name", found[:20])
    return found


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_after(request: Request, count: int) -> str:
    """Return the name at the end of the path, as the client sent it.

    The path that Starlette gives is decoded with replacements, and a slash that was sent as %2F
    cannot be told from one between two folders. So the name is read from the bytes of the request.

    Args:
        request: the request.
        count: how many slashes come before the name.

    Raises:
        RefusalError: a part of it is no UTF-8, or holds a slash.
    """
    raw = request.scope["raw_path"].partition(b"?")[0].split(b"/", count)[-1]
    parts = [urllib.parse.unquote_to_bytes(part) for part in raw.split(b"/")]
    try:
        decoded = [part.decode() for part in parts]
    except UnicodeDecodeError as error:
        raise RefusalError(
            replies.UNPROCESSABLE,
            "the name is no UTF-8",
            advice="encode it as UTF-8, each byte as %XX",
        ) from error
    if any("/" in part for part in decoded):
        raise RefusalError(
            replies.UNPROCESSABLE,
            "a part of the name holds a slash",
            advice="send folders as parts of the address, each by itself",
        )
    return "/".join(decoded)


def media_type(request: Request) -> str:
    """Return the type that the body is said to have, in small letters; "" where it has none."""
    found = _MEDIA.fullmatch(request.headers.get("content-type", ""))
    return found[1].lower() if found else ""


def length(request: Request, most: int) -> int:
    """Return how many bytes the body has.

    Raises:
        RefusalError: it does not say, or they are too many.
    """
    given = request.headers.getlist("content-length")
    if len(given) != 1 or not (given[0].isascii() and given[0].isdecimal()):
        raise RefusalError(
            replies.LENGTH_REQUIRED,
            "how long is it? The request has no Content-Length",
            advice="send a file: curl -T FILE",
            headers={"connection": "close"},
        )
    if len(given[0]) > 15 or int(given[0]) > most:  # noqa: PLR2004 - digits of a petabyte
        raise RefusalError(
            replies.TOO_LARGE,
            f"{given[0][:15]} bytes are over the limit of {most}",
            headers={"connection": "close"},
            advice="`max_megapixels` in config.yaml sets it for pictures",
        )
    return int(given[0])


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes.

    Raises:
        RefusalError: the rest does not come, or the connection broke off.
    """
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(CHUNK_WITHIN_S):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise RefusalError(
                replies.TIMED_OUT,
                "the rest of the body does not come",
                headers={"connection": "close"},
                advice="send it again",
            ) from error
        except ClientDisconnect as error:
            raise RefusalError(
                replies.BAD_REQUEST, "the connection broke off", advice="send it again"
            ) from error
        if chunk is None:
            return
        yield chunk


async def body(request: Request, most: int) -> bytes:
    """Return a short body.

    Raises:
        RefusalError: it is too long, or not as long as it says.
    """
    wanted = length(request, most)
    found = bytearray()
    async for chunk in chunks(request):
        found += chunk
        if len(found) > wanted:
            break
    if len(found) != wanted:
        raise RefusalError(
            replies.BAD_REQUEST,
            "the body is not as long as the request says",
            advice="send it again, whole",
        )
    return bytes(found)


async def mapping(request: Request) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        RefusalError: the body is none.
    """
    if media_type(request) != "application/json":
        raise RefusalError(
            replies.WRONG_TYPE, "expected JSON", advice="Content-Type: application/json"
        )
    data = await body(request, _JSON_BYTES)
    try:
        found = json.loads(data)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise RefusalError(
            replies.UNPROCESSABLE, "the body is no JSON", advice="/openapi.json has its shape"
        ) from error
    if not isinstance(found, dict):
        raise RefusalError(
            replies.UNPROCESSABLE, "expected a JSON object", advice="/openapi.json has its keys"
        )
    return found


def _unfit(name: str, expected: str, got: str) -> RefusalError:
    return RefusalError(
        replies.UNPROCESSABLE,
        f"{name}: expected {expected}, got {got[:40]!r}",
        advice="/openapi.json says what each address takes",
    )
