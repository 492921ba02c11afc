"""The decoder of the page: one confined child in a thread of its own, ended when nobody looks.

The page's process decodes nothing. Thumbnails are kept in its cache folder by content, so that each
is made once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pixd.system.children.confined_child import ConfinedChild
from pixd.system.children.spec import DecodeSpec
from pixd.web import replies
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHILD = "pixd.images.viewer_child"
IDLE_S = 60.0
THUMB_PX = 192
VIEW_PX = 2048
MOST_WAITING = 200
"""Pictures that wait to be decoded; more are refused, and the browser asks again."""
CACHE_BYTES = 256 << 20


class Viewer:
    """Makes pictures for people. All its methods are for the loop's own thread."""

    def __init__(self, cache: Path) -> None:
        """Start nothing yet; `cache` is a folder that is made when it is needed."""
        self._thumbs = cache / "thumbs"
        # One thread for good: the kernel ends a child with the thread that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="viewer")
        self._child: ConfinedChild | None = None
        self._spec: DecodeSpec | None = None
        self._waiting = 0
        self._used_at = 0.0
        self._ending: asyncio.TimerHandle | None = None

    async def thumb(self, source: Path, digest: str, spec: DecodeSpec) -> bytes:
        """Return the WebP of a stored picture.

        Raises:
            RefusalError: it cannot be shown.
        """
        hexadecimal = digest.removeprefix("sha256:")
        name = f"{hexadecimal[2:]}{'-ids' if spec.are_ids else ''}.webp"
        kept = self._thumbs / hexadecimal[:2] / name
        with contextlib.suppress(OSError):
            return await asyncio.to_thread(kept.read_bytes)
        asked = {"want": "thumb", "image": str(source), "side": THUMB_PX}
        _, data = await self.ask(asked, spec)
        with contextlib.suppress(OSError):  # a full disk costs only time
            await asyncio.to_thread(_keep, kept, data)
        return data

    async def ask(
        self, request: Mapping[str, Any], spec: DecodeSpec
    ) -> tuple[Mapping[str, Any], bytes]:
        """Send the child a request and return its answer.

        Raises:
            RefusalError: the picture cannot be decoded, or too many wait.
        """
        if self._waiting >= MOST_WAITING:
            raise RefusalError(
                replies.UNAVAILABLE,
                "too many pictures wait",
                headers={"retry-after": "1"},
                advice="try again in a moment",
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._ask, dict(request), spec)
        finally:
            self._waiting -= 1
            self._used_at = time.monotonic()
            if self._ending is None:
                self._ending = asyncio.get_running_loop().call_later(IDLE_S, self._end_if_idle)

    def close(self) -> None:
        """End the child."""
        self._thread.submit(self._end)
        self._thread.shutdown()

    def _end_if_idle(self) -> None:
        left_s = self._used_at + IDLE_S - time.monotonic()
        self._ending = None
        if self._waiting or left_s > 0:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(max(left_s, 1.0), self._end_if_idle)
        else:
            self._thread.submit(self._end)

    def _end(self) -> None:
        if self._child:
            self._child.close()
            self._child = None

    def _ask(self, request: dict[str, Any], spec: DecodeSpec) -> tuple[Mapping[str, Any], bytes]:
        if self._child and self._spec != spec:
            self._end()
        if self._child is None:
            self._child = ConfinedChild(_CHILD, spec, megapixels=spec.max_megapixels)
            self._spec = spec
        with replies.decoding():
            event, data = self._child.ask(request)
        if event["event"] != "done":
            status = replies.UNAVAILABLE if event["event"] == "failed" else replies.UNPROCESSABLE
            raise RefusalError(
                status,
                str(event["reason"]),
                advice="save it as PNG or JPEG; `pixd why` says more of a file",
            )
        return event, data


def tidy(cache: Path) -> None:
    """Remove the oldest thumbnails where there are too many bytes of them."""
    found = []
    for below, _, names in os.walk(cache / "thumbs"):
        for name in names:
            path = os.path.join(below, name)  # noqa: PTH118 - many
            with contextlib.suppress(OSError):
                about = os.stat(path)  # noqa: PTH116 - many
                found.append((about.st_mtime, about.st_size, path))
    left = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if left <= CACHE_BYTES:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - many
            left -= size


def _keep(path: Path, data: bytes) -> None:
    """Put a file in place whole. It is not synced: after a power cut it is made again."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.urandom(6).hex()}")
    temporary.write_bytes(data)
    temporary.rename(path)
