"""The seal inside each picture that `pixd prepare` makes; with it, pixd recognises the picture.

Two text chunks name the source's digest and the settings. The last chunk before the end is the
digest of all bytes before it. A file that was edited since, or that pixd did not make, has no
valid seal, and is never overwritten.

Source: PNG specification, 3rd edition, sections 5.3 (chunk layout) and 11.3.3.2 (tEXt).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final

from pixd.images import png_text

if TYPE_CHECKING:
    from pathlib import Path

RECIPE: Final = "pixd:prepared"
SOURCES: Final = "pixd:source-sha256"
_KEYWORD: Final = b"pixd:seal\0"
_END: Final = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_SEAL_BYTES: Final = 12 + len(_KEYWORD) + 64


def sealed(png: bytes) -> bytes:
    """Return a PNG with the seal added as its last chunk.

    Raises:
        ValueError: it does not end like a PNG.
    """
    if not png.endswith(_END):
        raise ValueError("no PNG")
    body = png[: -len(_END)]
    text = b"tEXt" + _KEYWORD + hashlib.sha256(body).hexdigest().encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return body + chunk + _END


def read(path: Path) -> dict[str, str] | None:
    """Return the text chunks of a file that pixd made and nobody edited; None for other files.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    body = data[: -len(_END) - _SEAL_BYTES]
    if not body.startswith(png_text.SIGNATURE) or sealed(body + _END) != data:
        return None
    return png_text.read_text(path)
