"""The size that a PNG says it has, from its first bytes. Nothing is decoded."""

from __future__ import annotations

import struct

_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_NEEDED = len(_START) + 8


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels; None where the bytes are no PNG.

    Source: PNG specification, third edition, sections 5.2 and 11.2.1.
    """
    if len(data) < _NEEDED or not data.startswith(_START):
        return None
    width, height = struct.unpack_from(">II", data, len(_START))
    return int(width), int(height)
