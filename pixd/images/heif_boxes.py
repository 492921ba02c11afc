"""What the boxes of an AVIF or HEIC say about its picture, and Pillow does not tell.

Promises the properties of the primary item. What cannot be read has none: the decoder decides
whether the file is good.

Source: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (HEIF) 6.5 and 9.3 (item properties).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pixd.images import colour_space
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BOXES: Final = 10_000


def profile_of(data: bytes) -> bytes | None:
    """Return the profile of the colours that the boxes name by number (nclx); None for sRGB.

    Args:
        data: the whole file, which has no ICC profile.

    Raises:
        ImageRejectedError: it has a high dynamic range.
    """
    for kind, content in properties(data):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:  # noqa: PLR2004
            return colour_space.profile_of(*struct.unpack_from(">HH", content, 4))
    return None


def check(data: bytes) -> None:
    """Refuse an AVIF that is to be shown cropped: Pillow shows all of it.

    Raises:
        ImageRejectedError: it has a clean aperture.
    """
    if any(kind == b"clap" for kind, _ in properties(data)):
        raise ImageRejectedError(
            "it says that only a part of it is the picture (clean aperture): export it as PNG or JPEG"
        )


def properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the properties of the primary item: the name and the content of each, in order.

    Args:
        data: the whole file.
    """
    try:
        return _properties(memoryview(data))
    except (struct.error, IndexError, KeyError, ValueError):
        return []


def _properties(data: memoryview) -> list[tuple[bytes, bytes]]:
    meta = dict(_boxes(dict(_boxes(data))[b"meta"][4:]))
    primary = _number(meta[b"pitm"][4:], 2 if meta[b"pitm"][0] == 0 else 4)
    known, associations = [], None
    for kind, content in _boxes(meta[b"iprp"]):
        if kind == b"ipco":
            known = list(_boxes(content))
        elif kind == b"ipma" and associations is None:
            associations = _associated(content, primary)
    return [(known[n - 1][0], bytes(known[n - 1][1])) for n in associations or [] if n]


def _associated(ipma: memoryview, primary: int) -> list[int] | None:
    version, wide = ipma[0], ipma[3] & 1
    at = 8
    for _ in range(_number(ipma[4:], 4)):
        item = _number(ipma[at:], 4 if version else 2)
        at += 4 if version else 2
        count = ipma[at]
        step = 2 if wide else 1
        found = [
            _number(ipma[at + 1 + step * n :], step) & (0x7FFF if wide else 0x7F)
            for n in range(count)
        ]
        at += 1 + step * count
        if item == primary:
            return found
    return None


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        if size == 0:  # up to the end of the file
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _number(data: memoryview, size: int) -> int:
    if len(data) < size:
        raise ValueError("it ends too early")
    return int.from_bytes(data[:size], "big")
