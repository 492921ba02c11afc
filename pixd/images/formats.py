"""The picture formats that pixd takes: one row each, and how a file is known by its first bytes.

Promises: it imports neither Pillow nor a decoder, so that the service can use it. A new format is
one row of `FORMATS`; one that Pillow cannot open by itself needs one line in `pixd.images.decode`
as well. Used by: the settle rule (is the file whole?), the scan (common endings), the decoder
(what may be opened), `pixd doctor` and the messages (what is missing, and how to install it).

Leaves to others: decoding, which also decides whether a file is a picture (`pixd.images.decode`).
"""

from __future__ import annotations

import importlib.util
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Begins = Callable[[bytes], bool]  # takes the first bytes
    Ends = Callable[[bytes, bytes, int], bool]  # takes the first bytes, the last ones, and the size

_HEAD_BYTES: Final = 32
_TAIL_BYTES: Final = 64
_BOX: Final = 16  # bytes: size, "ftyp", the major brand, its version; compatible brands follow
_MOST_BRANDS: Final = 64
_BMP_HEADER: Final = 14  # bytes; the size of the file is in bytes 2 to 5


@dataclass(frozen=True, slots=True)
class Extra:
    """A decoder that is not installed with pixd.

    Attributes:
        module: the package that must be installed. It is looked for, not imported.
        install: the command that installs it.
    """

    module: str
    install: str


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        name: as messages write it.
        endings: of file names, in lower case. A file needs none.
        begins: whether the first bytes are those of the format.
        ends: whether the last bytes and the size are those of a whole file. None where the
            format has neither an end mark nor a length; such a file is never settled early.
        pillow: what Pillow calls it, if not `name`.
        plugin: Pillow's module that opens it; "" where `pixd.images.decode` registers another.
        library: what Pillow calls the library that it may have been built without.
        extra: what must be installed in addition to pixd.
    """

    name: str
    endings: tuple[str, ...]
    begins: Begins
    ends: Ends | None = None
    pillow: str = ""
    plugin: str = ""
    library: str = ""
    extra: Extra | None = None

    @property
    def pillow_name(self) -> str:
        """What Pillow calls the format."""
        return self.pillow or self.name

    @property
    def missing(self) -> str:
        """Why a file is refused without the extra. `pixd retry` finds the refused ones by it."""
        install = self.extra.install if self.extra else ""
        return (
            f"it is a {self.name} picture: {install}, then `pixd retry`, takes it;"
            " or export it as JPEG"
        )


def _mark(*marks: bytes) -> Begins:
    return lambda head: head.startswith(marks)


def _webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


def _major_brand(*brands: bytes) -> Begins:
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def _any_brand(*brands: bytes) -> Begins:
    """Look at the compatible brands too, because AVIF has the same box with other brands."""

    def begins(head: bytes) -> bool:
        if len(head) < _BOX or head[4:8] != b"ftyp":
            return False
        (size,) = struct.unpack_from(">I", head)
        end = min(size, len(head), _BOX + 4 * _MOST_BRANDS)
        found = {head[8:12], *(head[at : at + 4] for at in range(_BOX, end - 3, 4))}
        return not found.isdisjoint(brands)

    return begins


def _end_mark(mark: bytes) -> Ends:
    return lambda _head, tail, _size: tail.endswith(mark)


def _riff_size(head: bytes, _tail: bytes, size: int) -> bool:
    return size >= 8 + int.from_bytes(head[4:8], "little")


def _bmp_size(head: bytes, _tail: bytes, size: int) -> bool:
    return size >= _BMP_HEADER and size == int.from_bytes(head[2:6], "little")


# fmt: off
FORMATS: Final = (
    Format("PNG", (".png",), _mark(b"\x89PNG\r\n\x1a\n"), _end_mark(b"\0\0\0\0IEND\xaeB`\x82"),
           plugin="PngImagePlugin", library="zlib"),
    # What phones write as MPO opens as JPEG; its first frame is the picture.
    Format("JPEG", (".jpg", ".jpeg"), _mark(b"\xff\xd8\xff"), _end_mark(b"\xff\xd9"),
           plugin="JpegImagePlugin", library="jpg"),
    Format("WEBP", (".webp",), _webp, _riff_size, plugin="WebPImagePlugin", library="webp"),
    Format("BMP", (".bmp",), _mark(b"BM"), _bmp_size, plugin="BmpImagePlugin"),
    Format("TIFF", (".tif", ".tiff"), _mark(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
           plugin="TiffImagePlugin", library="libtiff"),
    Format("GIF", (".gif",), _mark(b"GIF87a", b"GIF89a"), _end_mark(b"\0;"),
           plugin="GifImagePlugin"),
    Format("AVIF", (".avif",), _major_brand(b"avif", b"avis"),
           plugin="AvifImagePlugin", library="avif"),
    # What iPhones write: the brands of HEVC. Neither AVIF nor ``mif1`` alone is one of them.
    Format("HEIC", (".heic",),
           _any_brand(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"),
           pillow="HEIF", extra=Extra("pillow_heif", "pip install 'pixd[heic]'")),
)
# fmt: on
"""All of them; Pillow tries those that need no extra in this order. The list is closed: Pillow
would start Ghostscript for an EPS.

Source: PNG (ISO/IEC 15948) 11.2.5 IEND; JPEG (ITU-T T.81) B.2.1 EOI; GIF89a 27 trailer; WebP
(RFC 9649) 2.3 RIFF size; BMP bfSize (BITMAPFILEHEADER); HEIF (ISO/IEC 23008-12) annex B.4 brands.
"""


def format_of(head: bytes) -> Format | None:
    """Return the format whose first bytes a file has, whatever its name is; or None.

    Args:
        head: the first bytes. HEIC may need more than 32 of them for all its brands.
    """
    return next((kind for kind in FORMATS if kind.begins(head)), None)


def is_available(kind: Format) -> bool:
    """Tell whether what opens a format is installed, without loading it."""
    return kind.extra is None or importlib.util.find_spec(kind.extra.module) is not None


def looks_whole(fd: int, size: int) -> bool:
    """Tell whether an image ends as its format says it must, without decoding it.

    This is enough to take a closed file early. A file that is cut off waits for the full time,
    and so do formats without a length or an end mark (TIFF) and everything unknown. In either
    case the decoder decides.

    Args:
        fd: the open file; its position does not change.
        size: its size in bytes.

    Raises:
        OSError: it cannot be read.
    """
    head = os.pread(fd, _HEAD_BYTES, 0)
    tail = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return ends_as_it_should(head, tail, size)


def ends_as_it_should(head: bytes, tail: bytes, size: int) -> bool:
    """Decide `looks_whole` from the first and last bytes."""
    kind = format_of(head)
    return kind is not None and kind.ends is not None and kind.ends(head, tail, size)
