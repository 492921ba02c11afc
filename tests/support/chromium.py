"""Debian's Chromium, driven by Playwright; both may be missing, and then the tests are skipped."""

from __future__ import annotations

import functools
import os
import shutil
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
"""Root in a container has no sandbox and a small /dev/shm."""


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    named = os.environ.get("PIXD_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def why_not() -> str:
    """Say why no browser can be driven; empty if one can."""
    if chromium() is None:
        return "no Chromium here: apt-get install chromium"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "no Playwright here: pip install playwright"
    return ""


class Console:
    """What a page said in its console, and what it asked for."""

    def __init__(self, page: Any) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)


BLANK = b"""<!doctype html><html lang="en"><title>blank</title>
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/style.css"><main></main></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/blank":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(BLANK)))
        self.end_headers()
        self.wfile.write(BLANK)

    def log_message(self, *_: Any) -> None:
        pass

    def end_headers(self) -> None:
        from pixd.web.gate import POLICY

        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()


def serve_static() -> Iterator[str]:
    """Serve the page's own files and an empty page, under the policy; yields the address."""
    folder = Path(str(resources.files("pixd.web") / "static"))
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
