"""Damaged pictures, seeded: the same number gives the same files on every machine of one Pillow.

Every picture is made here, twice as wide as high, so that it would also do as a training pair.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

SIZE = (96, 48)
SUFFIXES = ("png", "jpg", "webp", "bmp", "tif", "gif", "avif")


class Damaged(NamedTuple):
    """One file: its name, its bytes, and what must become of it.

    Attributes:
        name: says what was done to it.
        data: the whole file.
        expected: "taken", "refused", or "either" (a flipped bit may leave a picture whole).
    """

    name: str
    data: bytes
    expected: str


def files(count: int, *, largest_bombs: bool) -> Iterator[Damaged]:
    """Yield `count` files, the bombs first.

    Args:
        count: how many.
        largest_bombs: also those that cost a decoder seconds or gigabytes.
    """
    made = [*_bombs(), *(_large_bombs() if largest_bombs else ())]
    yield from made
    dice = random.Random(2021)
    whole = _whole()
    ways = (_cut, _flipped, _zeroed, _lying, _spliced, _renamed, _noise)
    for number in range(count - len(made)):
        way = ways[number % len(ways)]
        one, other = dice.choice(whole), dice.choice(whole)
        yield way(number, one, other, dice)


# -- whole pictures --------------------------------------------------------------------------


class _Whole(NamedTuple):
    kind: str
    data: bytes
    is_animated: bool


def _picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _whole() -> list[_Whole]:
    rgb, second = _picture(1), _picture(2)
    rgba = rgb.copy()
    rgba.putalpha(second.convert("L"))
    grey16 = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    frames: dict[str, Any] = {"save_all": True, "append_images": [second], "duration": 100}
    single: list[tuple[str, Image.Image, dict[str, Any]]] = [
        *(("PNG", rgb, {}), ("PNG", rgba, {}), ("PNG", rgb.convert("P"), {}), ("PNG", grey16, {})),
        *(("PNG", rgb.convert("1"), {}), ("JPEG", rgb, {}), ("JPEG", rgb, {"progressive": True})),
        *(("JPEG", rgb.convert("CMYK"), {}), ("WEBP", rgb, {}), ("WEBP", rgba, {"lossless": True})),
        *(("BMP", rgb, {}), ("BMP", rgb.convert("P"), {}), ("TIFF", rgb, {})),
        *(("TIFF", rgb, {"compression": "tiff_lzw"}), ("TIFF", grey16, {})),
        *(("TIFF", rgba, {"compression": "tiff_adobe_deflate"}), ("GIF", rgb, {})),
        ("AVIF", rgb, {}),
    ]
    animated = [("GIF", rgb, frames), ("WEBP", rgb, frames), ("PNG", rgb, frames)]
    return [
        *(_Whole(kind, _saved(image, kind, **more), False) for kind, image, more in single),
        *(_Whole(kind, _saved(image, kind, **more), True) for kind, image, more in animated),
    ]


# -- ways to damage one ----------------------------------------------------------------------

Way = Callable[[int, _Whole, _Whole, random.Random], Damaged]


def _cut(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    at = dice.randrange(1, max(2, len(one.data) * 9 // 10))
    expected = "either" if one.is_animated else "refused"  # its first frame may be whole
    return Damaged(f"{number:04d}-cut.{one.kind.lower()}", one.data[:at], expected)


def _flipped(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    data = bytearray(one.data)
    for _flip in range(dice.choice((1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return Damaged(f"{number:04d}-flipped.{one.kind.lower()}", bytes(data), "either")


def _zeroed(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    data = bytearray(one.data)
    start = dice.randrange(len(data))
    end = min(len(data), start + dice.choice((1, 16, 512)))
    data[start:end] = bytes(end - start)
    return Damaged(f"{number:04d}-zeroed.{one.kind.lower()}", bytes(data), "either")


def _lying(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    """Let a number in the first bytes, where sizes and counts stand, be absurd."""
    data = bytearray(one.data)
    at = dice.randrange(4, min(len(data) - 4, 64))
    lie = dice.choice((b"\xff\xff\xff\x7f", b"\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
    data[at : at + len(lie)] = lie
    if one.kind == "PNG":  # a lie with a right checksum gets further
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return Damaged(f"{number:04d}-lying.{one.kind.lower()}", bytes(data), "either")


def _spliced(number: int, one: _Whole, other: _Whole, dice: random.Random) -> Damaged:
    head = one.data[: dice.randrange(1, len(one.data))]
    tail = other.data[dice.randrange(len(other.data)) :]
    return Damaged(f"{number:04d}-spliced.{one.kind.lower()}", head + tail, "either")


def _renamed(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    # A comment that ends nothing makes each content one of its own.
    own = one.data + struct.pack(">I", number)
    return Damaged(f"{number:04d}-renamed.{dice.choice(SUFFIXES)}", own, "taken")


def _noise(number: int, one: _Whole, _: _Whole, dice: random.Random) -> Damaged:
    noise = one.data[: dice.choice((0, 4, 12, 32))] + dice.randbytes(dice.choice((0, 7, 999)))
    # VP8 reads any bytes as coefficients: after a whole header, noise is a picture of noise.
    expected = "either" if one.kind == "WEBP" else "refused"
    return Damaged(f"{number:04d}-noise.{one.kind.lower()}", noise, expected)


# -- bombs -----------------------------------------------------------------------------------


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, *extra: bytes, bits: int = 8, colour: int = 2) -> bytes:
    """Write a PNG of zeros by hand: a few kilobytes, however large."""
    row = (width * bits * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8 + 1
    packer = zlib.compressobj(9)
    block = bytes(min(row * height, 1 << 20))
    body, left = b"", row * height
    while left > 0:
        body += packer.compress(block[: min(left, len(block))])
        left -= len(block)
    body += packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = _chunk(b"IHDR", head), *extra, _chunk(b"IDAT", body), _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _tiff(**tags: int) -> bytes:
    """Write a TIFF by hand whose tags say what they like."""
    known = {
        "width": 256,
        "height": 257,
        "bits": 258,
        "compression": 259,
        "photometric": 262,
        "strip_at": 273,
        "samples": 277,
        "rows_per_strip": 278,
        "strip_bytes": 279,
        "tile_width": 322,
        "tile_height": 323,
        "tile_at": 324,
        "tile_bytes": 325,
    }
    rows = sorted((known[name], value) for name, value in tags.items())
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in rows)
    pixels = zlib.compress(bytes(64))
    at = 8 + 2 + len(body) + 4
    body = body.replace(struct.pack("<I", 0xA7A7A7A7), struct.pack("<I", at))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows)) + body + bytes(4) + pixels


_HERE = 0xA7A7A7A7  # replaced by where the pixels are
_GREY = {"bits": 8, "compression": 8, "photometric": 1, "samples": 1}


def _bombs() -> Iterator[Damaged]:
    yield Damaged("bomb-900-megapixels.png", _png(30_000, 30_000, bits=1, colour=0), "refused")
    yield Damaged("bomb-65535-square.gif", _lie_gif(), "refused")
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))
    yield Damaged("bomb-text.png", _png(*SIZE, text), "either")
    profile = _chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))
    yield Damaged("bomb-profile.png", _png(*SIZE, profile), "either")
    many = b"".join(_chunk(b"tEXt", b"k%d\0v" % n) for n in range(50_000))
    yield Damaged("bomb-chunks.png", _png(*SIZE, many), "either")
    tile = {"tile_width": 1 << 17, "tile_height": 1 << 15, "tile_at": _HERE, "tile_bytes": 12}
    yield Damaged("bomb-tile.tif", _tiff(width=96, height=48, **_GREY, **tile), "refused")
    strip = {"rows_per_strip": 1 << 30, "strip_at": _HERE, "strip_bytes": 1 << 30}
    yield Damaged("bomb-strip.tif", _tiff(width=96, height=48, **_GREY, **strip), "refused")
    wide = {"strip_at": _HERE, "strip_bytes": 12, "rows_per_strip": 1}
    yield Damaged("bomb-wide.tif", _tiff(width=1 << 25, height=1, **_GREY, **wide), "refused")
    loop = b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    yield Damaged("bomb-loop.tif", loop, "refused")


def _lie_gif() -> bytes:
    data = bytearray(_saved(_picture(1), "GIF"))
    data[6:10] = b"\xff\xff\xff\xff"
    return bytes(data)


def _large_bombs() -> Iterator[Damaged]:
    yield Damaged("bomb-64-megapixels.png", _png(11_312, 5_656, colour=6), "taken")
    yield Damaged("bomb-64-megapixels-16-bit.png", _png(11_312, 5_656, bits=16, colour=0), "taken")
    image = _picture(1).resize((4096, 2048))
    frames: dict[str, Any] = {
        "save_all": True,
        "append_images": [image.rotate(n) for n in range(1, 9)],
    }
    yield Damaged("bomb-frames.webp", _saved(image, "WEBP", method=0, **frames), "taken")
    scans = _with_scans(_picture(1).resize((11_300, 5_650)), 4000)
    yield Damaged("bomb-scans.jpg", scans, "refused")


def _with_scans(image: Image.Image, count: int) -> bytes:
    """Repeat the last refinement of a progressive JPEG: each costs a walk over all blocks."""
    data = _saved(image, "JPEG", progressive=True, quality=30)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]
