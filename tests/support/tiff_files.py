"""TIFF files written by hand, with exactly the tags that a test asks for."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

Tags = dict[int, tuple[str, Sequence[int]]]
"""By number: "H" or "I" (or another letter of struct), and the values."""

_TYPES = {"B": 1, "s": 2, "H": 3, "I": 4, "b": 6, "h": 8, "i": 9, "f": 11, "d": 12}


def packed(values: np.ndarray, bits: int, order: str = "<") -> bytes:
    """Return rows of samples of so many bits; rows begin on a byte, the highest bit is first.

    Args:
        values: (height, samples of a row).
        bits: 1 to 16, or 32.
        order: "<" or ">"; counts where the bits are whole bytes.
    """
    if bits in {8, 16, 32}:
        return values.astype(f"{order}u{bits // 8}").tobytes()
    each = (values.astype(np.int64)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    values: np.ndarray,
    bits: int = 8,
    photometric: int = 1,
    *,
    order: str = "<",
    planar: int = 1,
    tags: Tags | None = None,
    without: Sequence[int] = (),
    raw: bytes | None = None,
) -> bytes:
    """Return an uncompressed TIFF.

    Args:
        values: (height, width) or (height, width, samples); of any whole number.
        bits: of each sample.
        photometric: PhotometricInterpretation.
        order: "<" or ">", of all bytes.
        planar: 2 for a strip of each sample.
        tags: in addition, or in place of those that follow from the rest.
        without: tags that are left out.
        raw: the bytes of the samples, in place of those of `values`.
    """
    return pages([page(values, bits, photometric, order=order, planar=planar, tags=tags,
                       without=without, raw=raw)], order)  # fmt: skip


def page(
    values: np.ndarray,
    bits: int = 8,
    photometric: int = 1,
    *,
    order: str = "<",
    planar: int = 1,
    tags: Tags | None = None,
    without: Sequence[int] = (),
    raw: bytes | None = None,
) -> tuple[Tags, list[bytes]]:
    """Return the tags and the strips of one page; see `tiff`."""
    height, width = values.shape[:2]
    samples = values.shape[2] if values.ndim == 3 else 1
    if raw is not None:
        strips = [raw]
    elif planar == 2:
        strips = [packed(values[..., n], bits, order) for n in range(samples)]
    else:
        strips = [packed(values.reshape(height, -1), bits, order)]
    found: Tags = {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits] * samples), 259: ("H", [1]),
        262: ("H", [photometric]), 277: ("H", [samples]), 278: ("I", [height]),
        284: ("H", [planar]),
    }  # fmt: skip
    return {n: v for n, v in (found | (tags or {})).items() if n not in without}, strips


def pages(all_pages: Sequence[tuple[Tags, list[bytes]]], order: str = "<") -> bytes:
    """Return a TIFF of several pages, made by `page`."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0")
    link = 4
    for tags, strips in all_pages:
        offsets = []
        for strip in strips:
            offsets.append(len(out))
            out += strip + bytes(len(strip) % 2)
        whole = tags | {273: ("I", offsets), 279: ("I", [len(strip) for strip in strips])}
        entries = b""
        for number, (letter, values) in sorted(whole.items()):
            value = struct.pack(f"{order}{len(values)}{letter}", *values)
            if len(value) > 4:
                place = len(out)
                out += value + bytes(len(value) % 2)
                value = struct.pack(f"{order}I", place)
            entries += struct.pack(f"{order}HHI", number, _TYPES[letter], len(values))
            entries += value.ljust(4, b"\0")
        struct.pack_into(f"{order}I", out, link, len(out))
        out += struct.pack(f"{order}H", len(whole)) + entries
        link = len(out)
        out += b"\0\0\0\0"
    return bytes(out)
