"""Read the text chunks of a PNG file, without decoding it and without Pillow.

An output carries what made it in such chunks; a copy keeps them under any name.
Source: PNG specification, 3rd edition, sections 5.3 and 11.3.3 (tEXt, zTXt, iTXt).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 1 << 16  # longer ones are not ours


def read_text(path: Path) -> dict[str, str]:
    """Return the text chunks of a PNG by keyword; {} for any other or damaged file."""
    found: dict[str, str] = {}
    with path.open("rb") as file:
        if file.read(8) != SIGNATURE:
            return {}
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - length and type
            length, kind = int.from_bytes(head[:4]), head[4:]
            if kind not in {b"tEXt", b"zTXt", b"iTXt"} or length > MAX_TEXT_BYTES:
                file.seek(length + 4, 1)
                continue
            body = file.read(length)
            file.read(4)
            keyword, _, rest = body.partition(b"\0")
            text = _decode(kind, rest)
            if text is not None:
                found[keyword.decode("latin-1")] = text
    return found


def _decode(kind: bytes, rest: bytes) -> str | None:
    try:
        if kind == b"tEXt":
            return rest.decode("latin-1")
        if kind == b"zTXt":
            return _inflate(rest[1:]).decode("latin-1")
        is_compressed, text = rest[0], rest[2:].split(b"\0", 2)[2]
        return (_inflate(text) if is_compressed else text).decode()
    except (zlib.error, IndexError, UnicodeDecodeError):
        return None


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, MAX_TEXT_BYTES)
