"""File names as text, and the way back to a path.

A path inside a watched folder is stored and sent as *name text*. It is printable, has no newlines
and no escape codes, and differs for different paths. So it can be stored, logged and put into a
manifest that has one name a line. Only `name_from_bytes` and `name_to_bytes` convert it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_SURROGATE_ESCAPES = range(0xDC80, 0xDD00)  # PEP 383: a byte that is not UTF-8
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029}  # C0, DEL and C1, line separators
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\\\")


def one_line(text: str) -> str:
    r"""Join lines into one and write control characters as ``\xNN``, so that none has an effect."""
    folded = " | ".join(part.strip() for part in text.splitlines() if part.strip())
    return "".join(f"\\x{ord(c):02x}" if ord(c) in _CONTROLS else c for c in folded)


def name_from_bytes(path: bytes) -> str:
    r"""Turn a file name as the kernel gives it into name text.

    Undecodable bytes, control characters and the backslash become ``\xNN`` or
    ``\\``; everything else stays as it is. Two different byte names never give the
    same text.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:  # most names; a tenth of the time
        return text
    out: list[str] = []
    for char in text:
        code = ord(char)
        if char == "\\":
            out.append("\\\\")
        elif code in _SURROGATE_ESCAPES:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif code in _CONTROLS:
            out.extend(f"\\x{byte:02x}" for byte in char.encode())
        else:
            out.append(char)
    return "".join(out)


def name_to_bytes(name: str) -> bytes:
    """Turn name text back into the bytes that the kernel has. Inverse of `name_from_bytes`."""
    out = bytearray()
    at = 0
    for match in _ESCAPE.finditer(name):
        out += name[at : match.start()].encode()
        out += bytes([int(match[1], 16)]) if match[1] else b"\\"
        at = match.end()
    return bytes(out + name[at:].encode())


def path_in(folder: Path, name: str) -> Path:
    """Return the path of a file in `folder` by its name text.

    Use it only for names that were read from a folder or a manifest, because it checks nothing.
    `pixd.system.safe_open` opens files that somebody may have replaced.
    """
    return folder / os.fsdecode(name_to_bytes(name))
