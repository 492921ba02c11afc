"""A real `pixd web` on a store of its own, for the tests that drive it with a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60.0
CLIENT_PATIENCE_S = 180.0  # a model is loaded for the first answer


class Page:
    """The process, its address and its tokens."""

    def __init__(self, folder: Path, state: Path) -> None:
        """Start it for the config.yaml of `folder`, on any port; it keeps its files in `state`."""
        self.folder = folder
        self._environ = {**os.environ, "XDG_STATE_HOME": str(state / "state")}
        self._environ["XDG_CACHE_HOME"] = str(state / "cache")
        self.log = state / "web.log"
        state.mkdir(parents=True, exist_ok=True)
        self.process = self._start("0")
        self.link = self._link()
        self.address, _, self.token = self.link.partition("/#")
        self.read_only = self._link("--read-only").partition("/#")[2]

    def _start(self, port: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pixd", "web", "--port", port],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_again(self) -> None:
        """Start it anew at the same address."""
        self.process = self._start(self.address.rpartition(":")[2])
        self._until_it_answers()

    def _link(self, *words: str) -> str:
        ends_at = time.monotonic() + PATIENCE_S
        while "is up" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < ends_at, "the page did not come up"
            time.sleep(0.05)
        done = subprocess.run(
            [sys.executable, "-m", "pixd", "web", "--link", *words],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def _until_it_answers(self) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/healthz", timeout=5).close()
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < ends_at, "the page did not come up again"
                time.sleep(0.05)
            else:
                return

    def ask(self, path: str, *, token: str = "", method: str = "GET", body: bytes | None = None) -> Any:
        """Ask the API; returns (status, what it said)."""
        request = urllib.request.Request(self.address + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {token or self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/octet-stream")
        try:
            with urllib.request.urlopen(request, timeout=CLIENT_PATIENCE_S) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
