"""The page's own files, from memory: they are few, small and the same for everybody.

A file is read anew when it changes, so that whoever works on the page need not restart anything.
No name of a request reaches the disk: only names that were listed are known.
"""

from __future__ import annotations

import gzip
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

from pixd.web import replies
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from starlette.requests import Request

INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
    ".json": "application/json",
}
_NOT_MODIFIED = 304


class _Asset(NamedTuple):
    stamp: tuple[int, int]
    body: bytes
    zipped: bytes
    etag: str
    media_type: str


class StaticFiles:
    """The files below `pixd/web/static`."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._folder = Path(str(resources.files("pixd.web") / "static"))
        self._assets: dict[str, _Asset] = {}

    def answer(self, request: Request, name: str) -> Response:
        """Return a file, or that the browser has it already.

        Raises:
            RefusalError: there is no such file.
        """
        asset = self._asset(name)
        headers = {"etag": asset.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        if takes_gzip and len(asset.zipped) < len(asset.body):
            headers["content-encoding"] = "gzip"
            return Response(asset.zipped, headers=headers, media_type=asset.media_type)
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    def _asset(self, name: str) -> _Asset:
        found = self._assets.get(name)
        path = self._listed().get(name)
        if path is None:
            raise RefusalError(
                replies.NOT_FOUND, "there is no such file", advice="load the page again"
            )
        about = path.stat()
        stamp = (about.st_mtime_ns, about.st_size)
        if found is None or found.stamp != stamp:
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            zipped = gzip.compress(body, 9, mtime=0)
            found = _Asset(stamp, body, zipped, etag, _TYPES[path.suffix])
            self._assets[name] = found
        return found

    def _listed(self) -> dict[str, Path]:
        return {
            path.relative_to(self._folder).as_posix(): path
            for path in self._folder.rglob("*")
            if path.suffix in _TYPES and path.is_file()
        }
