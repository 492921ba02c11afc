"""A real `pixd web` on a store of its own, as the tests with a browser use it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import httpx2 as httpx

from tests.support.paged import Served

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60.0


class Page(Served):
    """The process, the links that lead to it, and a client that has its tokens."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.address = self.url
        self._until_it_answers()

    @property
    def link(self) -> str:
        return f"{self.address}/#{self.secrets.full}"

    @property
    def read_only_link(self) -> str:
        return f"{self.address}/#{self.secrets.read}"

    def start_again(self) -> None:
        """Start it anew at the same address, after it was killed."""
        self.process.wait(30)
        super().__init__(self.folder, "--port", self.address.rpartition(":")[2])
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.address}/healthz", timeout=PATIENCE_S)
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < ends_at, self.log.read_text()
            time.sleep(0.05)

    def ask(
        self, path: str, *, token: str = "", method: str = "GET", body: bytes | None = None
    ) -> tuple[int, Any]:
        """Ask the API; returns the HTTP status and what it said."""
        headers = {"authorization": f"Bearer {token or self.secrets.full}"}
        answer = httpx.request(
            method, self.address + path, headers=headers, content=body, timeout=PATIENCE_S
        )
        return answer.status_code, answer.json()

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
