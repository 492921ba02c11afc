"""What Pillow's modes do not tell about a PNG: its chunks say it.

Promises: a PNG is whole, and its transparent colour and its 16-bit grey with alpha are read as
the file means them.

Leaves to others: decoding (Pillow), and writing (`pixd.images.png`).

Source: PNG (ISO/IEC 15948, third edition), 11.2.1 IHDR, 11.3.1 tRNS, 11.3.2 colour space.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

from pixd.images import colour_space
from pixd.images.samples import Layout, rawmode_of, read_as
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST: Final = 8  # bytes before the first chunk
_DEPTH_AT: Final = 24
_CHECKED: Final = {b"IDAT", b"IHDR", b"PLTE"}


def check(data: bytes) -> None:
    """Check the chunks: Pillow accepts a PNG with a wrong checksum or a cut end.

    Raises:
        ImageRejectedError: it is cut off or damaged.
    """
    for kind, at, end in _chunks(data):
        if end > len(data):
            raise ImageRejectedError("it is cut off: its last chunk is not whole")
        if kind in _CHECKED:
            (expected,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != expected:
                raise ImageRejectedError("it is damaged: a checksum is wrong")
        if kind == b"IEND":
            return
    raise ImageRejectedError("it is cut off: its end mark is missing")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, where it begins, and where the next one would begin."""
    at = _FIRST
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        yield kind, at, end
        at = end


def profile_of(image: Any, data: bytes) -> bytes | None:
    """Return the profile of a PNG's colours, from the first of cICP, iCCP, sRGB and gAMA it has.

    A gamma counts if it says that the values are linear, as ImageMagick has it. Any other gamma,
    and cHRM, are left out: they are seldom true, and few programs use them.

    Args:
        image: Pillow's, opened.
        data: the whole file, checked.

    Raises:
        ImageRejectedError: it has a high dynamic range, or colours that pixd does not know.
    """
    for kind, at, _ in _chunks(data):
        if kind == b"IDAT":
            break
        if kind == b"cICP":
            primaries, transfer, matrix, full = data[at + 8 : at + 12]
            if matrix or not full:
                raise ImageRejectedError(
                    "its colours are those of video (YCbCr or narrow range): export it as sRGB"
                )
            return colour_space.profile_of(primaries, transfer)
    if "icc_profile" in image.info:
        profile: bytes | None = image.info["icc_profile"]
        return profile
    if _is_linear(image, data) and data[_DEPTH_AT] < 16:  # noqa: PLR2004 - else see `layout_of`
        return colour_space.profile_of(colour_space.BT709, colour_space.LINEAR)
    return None


def _is_linear(image: Any, data: bytes) -> bool:
    if image.info.get("gamma") != 1 or "srgb" in image.info or "icc_profile" in image.info:
        return False
    before = (kind for kind, _, _ in itertools.takewhile(lambda c: c[0] != b"IDAT", _chunks(data)))
    return b"cICP" not in before


def layout_of(image: Any, data: bytes) -> Layout:
    """Return how to read the numbers of a PNG, and have Pillow decode it so.

    Args:
        image: Pillow's, opened and not loaded.
        data: the whole file, checked.
    """
    bits, rawmode = data[_DEPTH_AT], rawmode_of(image)
    if bits < 16:  # noqa: PLR2004
        if image.mode == "L" and "transparency" in image.info:
            # Pillow scales the grey of 2 and 4 bits to 8, and not the grey that is transparent.
            most = (1 << bits) - 1
            image.info["transparency"] = (image.info["transparency"] & most) * (255 // most)
        return Layout()
    linear = _is_linear(image, data)
    if rawmode == "LA;16B":  # of which Pillow would drop the low bytes
        read_as(image, "RGBA")
        return Layout(grey_in_bytes=True, linear=linear)
    found = image.info.pop("transparency", ())
    transparent = found if isinstance(found, tuple) else (found,)
    return Layout(transparent=transparent, linear=linear, rawmode=rawmode)
