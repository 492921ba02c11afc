"""Why a file is refused that no decoder opens, as far as its bytes show it.

Promises: one clause for people, with what to do where something can be done. It decodes nothing.

Source: PNG (ISO/IEC 15948) 5.2, whose signature is made to show such damage; JPEG (ITU-T T.81)
B.2.2, the frame header; HEIF (ISO/IEC 23008-12) 6.5.3, ``ispe``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.images import formats, heif_boxes, tiff

if TYPE_CHECKING:
    from collections.abc import Callable


class _Other(NamedTuple):
    """A kind of file that people drop by mistake."""

    begins: bytes
    name: str
    export_as: str = ""


_OTHERS: Final = (
    _Other(b"%PDF", "a PDF document"),
    _Other(b"%!PS", "an EPS or PostScript document"),
    _Other(b"\xc5\xd0\xd3\xc6", "an EPS document"),
    _Other(b"8BPS", "a Photoshop document", "PNG"),
    _Other(b"PK\x03\x04", "a ZIP archive"),
    _Other(b"<svg", "an SVG drawing", "PNG"),
    _Other(b"<?xml", "an XML or SVG document"),
    _Other(b"<!DOCTYPE", "a web page"),
    _Other(b"<!doctype", "a web page"),
    _Other(b"<html", "a web page"),
    _Other(b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture", "PNG or JPEG"),
    _Other(b"\x00\x00\x01\x00", "an icon (ICO)"),
)
_PNG_SIGNATURE_BYTES: Final = 8
_PNG_HEADER_WITHIN: Final = (
    32  # bytes; the first chunk begins at 8, a few later where line ends grew
)
_LARGEST_AVIF_PIXELS: Final = 1 << 28  # libavif's AVIF_DEFAULT_IMAGE_SIZE_LIMIT
_USUAL_BITS: Final = 8
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xDA)})  # TEM, RST0 to RST7, SOI, EOI
_SCAN: Final = 0xDA


def why(data: bytes, kind: formats.Format | None, max_pixels: int, advice: str) -> str:
    """Say why.

    Args:
        data: the whole file.
        kind: the format of its first bytes.
        max_pixels: the most that a picture may have.
        advice: what to do about one that has more.
    """
    if kind is None:
        return _other(data)
    look = _LOOKS.get(kind.name)
    told = look(data) if look else ""
    if kind.name == "AVIF":
        told = _too_large(data, max_pixels, advice)
    if not told and kind.extra:
        told = (
            f"it is a {kind.name} picture that is damaged or of an unknown kind: export it as JPEG"
        )
    article = "an" if kind.name[0] in "AEIOU" else "a"
    return told or (
        f"it begins as {article} {kind.name} picture, but is cut off, damaged or of an unknown kind:"
        " copy it again, or export it as PNG"
    )


def too_large(width: int, height: int, max_pixels: int, advice: str) -> str:
    """Say that a picture has too many pixels."""
    return (
        f"{width} x {height} is {width * height / 1e6:.0f} megapixels,"
        f" over the limit of {max_pixels / 1e6:.0f}{advice}"
    )


def _other(data: bytes) -> str:
    signature = data[:_PNG_SIGNATURE_BYTES]
    if b"PNG" in signature and b"IHDR" in data[:_PNG_HEADER_WITHIN]:
        return (
            "it is a PNG with a damaged signature, as a transfer as text leaves one: copy it again,"
            " as binary"
        )
    head = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    for other in _OTHERS:
        if head.startswith(other.begins) and other.export_as:
            return f"it is {other.name}, which pixd does not take: export it as {other.export_as}"
        if head.startswith(other.begins):
            return f"it is {other.name}, not a picture that pixd takes"
    return f"it is not a picture in a format that pixd takes ({_taken()})"


def _taken() -> str:
    names = [kind.name for kind in formats.FORMATS if formats.is_available(kind)]
    others = [
        f"; {kind.name} with {kind.extra.install}"
        for kind in formats.FORMATS
        if kind.extra and kind.name not in names
    ]
    return ", ".join(names) + "".join(others)


def _jpeg(data: bytes) -> str:
    bits = _jpeg_bits(data)
    if bits in {0, _USUAL_BITS}:
        return ""
    return f"it is a JPEG of {bits} bits a sample, and only 8 are read: export it as PNG"


def _jpeg_bits(data: bytes) -> int:
    """Return the precision in the frame header; 0 where there is none."""
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        marker = data[at + 1]
        if marker in _FRAMES:
            return data[at + 4]
        if marker == _SCAN:
            return 0
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def _too_large(data: bytes, max_pixels: int, advice: str) -> str:
    """Say that an AVIF has too many pixels: its decoder does not even open a very large one."""
    for kind, content in heif_boxes.properties(data):
        if kind != b"ispe" or len(content) < 12:  # noqa: PLR2004 - version, width and height
            continue
        width, height = struct.unpack_from(">II", content, 4)
        if width * height > max_pixels:
            return too_large(width, height, max_pixels, advice)
        if width * height > _LARGEST_AVIF_PIXELS:
            return too_large(width, height, _LARGEST_AVIF_PIXELS, " of the AVIF decoder")
    return ""


_LOOKS: Final[dict[str, Callable[[bytes], str]]] = {"JPEG": _jpeg, "TIFF": tiff.why_not}
"""By the name of a format: what a look at its headers says."""
