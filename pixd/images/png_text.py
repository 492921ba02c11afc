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


def read_as_written(path: Path) -> dict[str, str]:
    """Return the text of an output that is as pixd wrote it; {} for any other file.

    pixd writes a header, its text in the order of the keywords, the pixels and the end, and nothing
    else. Programs that change a picture leave the text out, or add chunks of their own.

    Raises:
        OSError: it cannot be read.
    """
    kinds: list[bytes] = []
    ends_at = 0
    with path.open("rb") as file:
        if file.read(8) != SIGNATURE:
            return {}
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - length and type
            if not kinds or kinds[-1] != head[4:] or head[4:] != b"IDAT":
                kinds.append(head[4:])
            ends_at = file.seek(int.from_bytes(head[:4]) + 4, 1)
        is_all = ends_at == file.seek(0, 2)
    text = read_text(path)
    wanted = [b"IHDR", *[b"tEXt"] * len(text), b"IDAT", b"IEND"]
    is_ours = "pixd:run" in text and list(text) == sorted(text)
    return text if is_ours and kinds == wanted and is_all else {}


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
