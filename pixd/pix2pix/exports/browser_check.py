"""Opens an exported page in a headless Chromium and compares what it draws with what pixd draws.

A small server on this machine alone gives the page its files, and the pictures to translate; the
page sends back what it made of them. First it computes on the processor, which has to agree. Then it
may take a GPU, if the browser has one; what comes of that is told, as a page by itself goes on
without a GPU that draws otherwise.
"""

from __future__ import annotations

import functools
import io
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from pixd.pix2pix.exports import agreement
from pixd.pix2pix.exports.agreement import Agreement, Pixels
from pixd.pix2pix.exports.trial import Trial
from pixd.system.errors import PixdError

WITHIN_S: Final = {"wasm": 300.0, "webgpu": 600.0}
"""In software and on two busy cores, WebGPU took 260 s to the first picture of the largest network."""
IN_SOFTWARE: Final = "webgpu"
ON_A_GPU = ""
"""What the page is asked for to try a GPU: its own choice, which is a real one or none. `IN_SOFTWARE`
also takes Chromium's adapter in software, which takes minutes and says nothing of any GPU."""
LARGEST: Final = 2  # levels; with int8 weights the browser may round other products than here
GPU_PICTURES: Final = 1
"""The page itself has tried another one before."""
_FOR: Final = {
    "wasm": "--disable-gpu",
    "webgpu": "--enable-unsafe-webgpu",  # also on Linux, and in software where there is no GPU
}
_ARGUMENTS: Final = (
    "--headless=new",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
)


def run(browser: str, page: Path, trial: Trial, scratch: Path) -> dict[str, Any]:
    """Try a page in a browser; return what the card says of it.

    Args:
        browser: path of a Chromium.
        page: the folder of the page.
        trial: the pictures, and what pixd makes of them.
        scratch: gets the browser's profile and log.

    Raises:
        PixdError: it does not open or draws other pictures.
    """
    asked = _tried(browser, page, trial.inputs, scratch, "wasm")
    found = asked.agreement(trial.expected)
    if found.largest > LARGEST:
        raise PixdError(
            f"in the browser the page draws other pictures than pixd, by {found.largest} levels of"
            " 255; nothing was written",
            advice="try another browser, or export with --weights float16",
        )
    told = {"browser": _version(browser), **_told(asked, found)}
    return {**told, "webgpu": _webgpu(browser, page, trial, scratch)}


def _webgpu(browser: str, page: Path, trial: Trial, scratch: Path) -> dict[str, Any]:
    """Return what the card says of WebGPU: the figures, or why it was not used."""
    inputs, expected = trial.inputs[-GPU_PICTURES:], trial.expected[-GPU_PICTURES:]
    try:
        asked = _tried(browser, page, inputs, scratch, "webgpu")
    except PixdError as error:
        return {"is_used": False, "why": error.message}
    if not asked.is_on_gpu:
        return {"is_used": False, "why": asked.why or "this machine's browser has no GPU"}
    return {"is_used": True, **_told(asked, asked.agreement(expected))}


def _told(asked: _Asked, found: Agreement) -> dict[str, Any]:
    return {
        "where": asked.where,
        "largest": found.largest,
        "mean": found.mean,
        "share": found.share,
        "first_picture_s": round(asked.since[0], 2),
        "picture_s": round(median(asked.took[1:] or asked.took) / 1000, 3),
    }


def _tried(browser: str, page: Path, inputs: Sequence[Pixels], scratch: Path, on: str) -> _Asked:
    """Have the page translate pictures on "wasm" or "webgpu".

    Raises:
        PixdError: it does not open, or does not end.
    """
    asked = _Asked(inputs)
    handler = functools.partial(_Handler, asked, directory=str(page))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            _open(browser, f"http://127.0.0.1:{server.server_port}", on, asked, scratch)
        finally:
            server.shutdown()
            thread.join()
    return asked


def _open(browser: str, address: str, on: str, asked: _Asked, scratch: Path) -> None:
    """Run the browser until the page has sent everything.

    Raises:
        PixdError: it took too long or ended.
    """
    profile = scratch / f"browser-{on}"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    command = [browser, *_ARGUMENTS, _FOR[on], *sandbox, f"--user-data-dir={profile}"]
    with (scratch / "browser.log").open("wb") as log:
        asked.started = time.time()
        process = subprocess.Popen(
            # In this process's group, so that it ends too if this is killed.
            [*command, f"{address}/?check&on={ON_A_GPU if on == 'webgpu' else on}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            ends_at = time.monotonic() + WITHIN_S[on]
            while not asked.ended.wait(0.2):
                has_ended = process.poll() is not None or time.monotonic() > ends_at
                if has_ended or asked.trouble:
                    raise PixdError(
                        f"the page did not draw in {browser}"
                        + (f": {asked.trouble}" if asked.trouble else ""),
                        advice="leave --check out, or open the page in a browser and look",
                    )
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _version(browser: str) -> str:
    told = subprocess.run([browser, "--version"], capture_output=True, text=True, check=False)
    return " ".join(told.stdout.split()[:2])


class _Asked:
    """The pictures for the page, and what it sent back."""

    def __init__(self, inputs: Sequence[Pixels]) -> None:
        self.inputs = inputs
        self.made: dict[int, Any] = {}
        self.took: list[float] = []
        self.since: list[float] = []
        self.where = self.why = self.trouble = ""
        self.is_on_gpu = False
        self.started = 0.0
        self.ended = threading.Event()

    def picture(self, number: int) -> bytes | None:
        if number >= len(self.inputs):
            return None
        packed = io.BytesIO()
        Image.fromarray(self.inputs[number]).save(packed, "PNG")
        return packed.getvalue()

    def take(self, number: int, told: dict[str, list[str]], rgba: bytes) -> None:
        shape = (*self.inputs[number].shape[:2], 4)
        self.made[number] = np.frombuffer(rgba, np.uint8).reshape(shape)[..., :3]
        self.took.append(float(told["took"][0]))
        self.since.append(float(told["since"][0]))
        self.where = told["where"][0]
        self.why = told.get("why", [""])[0]
        self.is_on_gpu = told["isOnGpu"] == ["true"]

    def agreement(self, expected: Sequence[Pixels]) -> Agreement:
        made = np.stack([self.made[number] for number in range(len(expected))])
        return agreement.compared(
            made, np.stack(expected), is_repeatable=True, is_same_in_batch=True
        )


class _Handler(SimpleHTTPRequestHandler):
    """Serves the page's folder, and ``check/`` from memory."""

    def __init__(self, asked: _Asked, *args: Any, **kwargs: Any) -> None:
        self._asked = asked
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def do_GET(self) -> None:
        name = urlsplit(self.path).path
        if not name.startswith("/check/"):
            super().do_GET()
        elif name == "/check/start":
            self._answer(f'{{"started": {self._asked.started}}}'.encode(), "application/json")
        else:
            number = name.removeprefix("/check/").removesuffix(".png")
            picture = self._asked.picture(int(number)) if number.isdigit() else None
            if picture is None:
                self.send_error(404)
            else:
                self._answer(picture, "image/png")

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = parts.path.removeprefix("/check/")
        if name == "end":
            self._answer(b"", "text/plain")
            self._asked.ended.set()
        elif name == "trouble":
            self._asked.trouble = body.decode(errors="replace")[:200] or "it did not say why"
            self._answer(b"", "text/plain")
        else:
            self._asked.take(int(name), parse_qs(parts.query), body)
            self._answer(b"", "text/plain")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
