"""A page that `pixd export --format web` wrote, served as any static host would."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 32  # of its model's pictures


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def serve(folder: Path) -> tuple[str, http.server.ThreadingHTTPServer]:
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/", server


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, http.server.ThreadingHTTPServer]]:
    """Serve a folder; gives its address, and the server, which may be closed earlier."""
    address, server = serve(folder)
    try:
        yield address, server
    finally:
        server.shutdown()
        server.server_close()


def wanted(exported: Path) -> Any:
    """Return what pixd makes of each input."""
    return np.array(json.loads((exported / "wanted.json").read_text()), int)


def pixels_of(page: Any) -> Any:
    """Return the pixels of the translation that is shown."""
    told = page.evaluate(
        """async () => {
          const image = document.querySelector(".output img");
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          canvas.getContext("2d").drawImage(image, 0, 0);
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    return np.array(told, np.uint8).reshape(SIDE, SIDE, 4)[..., :3]
