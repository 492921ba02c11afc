"""HEIC, what iPhones write: known by its first bytes, and whether the extra is installed.

Light, and without the decoder (`pixd.images.heif`): the service asks here what may be tried again.

Source: ISO/IEC 23008-12 (HEIF), annex B.4 (the brands of HEVC).
"""

from __future__ import annotations

import importlib.util
import os
import struct
from typing import Final

INSTALL: Final = "pip install 'pixd[heic]'"
NAME: Final = "HEIC"
MISSING: Final = (
    f"it is a HEIC picture: {INSTALL}, then `pixd retry`, takes it; or export it as JPEG"
)
"""Why such a file is refused without the extra. `pixd retry` finds the refused ones by it."""

_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_BOX: Final = 16  # bytes: size, "ftyp", the major brand, its version; compatible brands follow
_MOST_BRANDS: Final = 64
_HEAD_BYTES: Final = 32
_TAIL_BYTES: Final = 64


def is_available() -> bool:
    """Tell whether pillow-heif is installed, without loading it."""
    return importlib.util.find_spec("pillow_heif") is not None


def is_heic(data: bytes) -> bool:
    """Tell by its first box whether a file is a HEIC picture, whatever it is called.

    AVIF has the same box and other brands; so has what is neither (``mif1`` alone).
    """
    if len(data) < _BOX or data[4:8] != b"ftyp":
        return False
    (size,) = struct.unpack_from(">I", data)
    end = min(size, len(data), _BOX + 4 * _MOST_BRANDS)
    brands = {data[8:12], *(data[at : at + 4] for at in range(_BOX, end - 3, 4))}
    return not brands.isdisjoint(_BRANDS)


def looks_whole(fd: int, size: int) -> bool:
    """Tell whether an image ends as its format says it must, without decoding it.

    Enough to let a closed file go early: a cut-off one waits for the full time, and the
    decoder has the last word either way. Formats without a length or an end mark (TIFF)
    and everything unknown take the full time.

    Args:
        fd: the open file; its position is left alone.
        size: its size in bytes.

    Raises:
        OSError: it cannot be read.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    tail = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return ends_as_it_should(head, tail, size)


def ends_as_it_should(head: bytes, tail: bytes, size: int) -> bool:
    """Decide `looks_whole` from the first and last bytes.

    Source: PNG (ISO/IEC 15948) 11.2.5 IEND; JPEG (ITU-T T.81) B.2.1 EOI; GIF89a 27 trailer;
        WebP (RFC 9649) 2.3 RIFF size; BMP bfSize (BITMAPFILEHEADER).
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return tail.endswith(b"\0\0\0\0IEND\xaeB`\x82")
    if head.startswith(b"\xff\xd8\xff"):
        return tail.endswith(b"\xff\xd9")
    if head.startswith((b"GIF87a", b"GIF89a")):
        return tail.endswith(b"\0;")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return size >= 8 + int.from_bytes(head[4:8], "little")
    if head.startswith(b"BM"):
        return size >= 14 and size == int.from_bytes(head[2:6], "little")  # noqa: PLR2004 - header
    return False
