"""Variants of formats, made by other programs, are read as ImageMagick and libvips read them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.images import decode
from pixd.system.errors import ImageRejectedError
from tests.support import picture_tools
from tests.support.png_files import png
from tests.support.tiff_files import page, pages, tiff

pytestmark = [pytest.mark.slow]

WIDTH, HEIGHT = 33, 22


@dataclass
class Variant:
    """One file.

    Attributes:
        name: of the file, with its suffix.
        make: writes it to the path given; `source` is a folder with the pictures to make it of.
        needs: the programs that make it.
        levels: how far every pixel may be from what a program reads.
        but: the programs that are not asked, and why.
        refused: words of the refusal; "" where it must be taken.
        right: the pixels, where nobody needs to be asked.
    """

    name: str
    make: Callable[[Path, Path], object]
    needs: tuple[str, ...] = ()
    levels: int = 1
    but: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    right: np.ndarray | None = None


def scene() -> np.ndarray:
    """Return a picture with slopes, edges, black and white: (height, width, 3), 0 to 65535."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red, green = x * 65535 // (WIDTH - 1), y * 65535 // (HEIGHT - 1)
    blue = (x * 7919 + y * 4801) % 65536
    values = np.stack([red, green, blue], -1)
    values[2:5, 3:9] = 0
    values[8:12, 20:28] = 65535
    return values


COLOUR16 = scene()
COLOUR8 = COLOUR16 // 257
GREY16 = COLOUR16[..., 0] // 2 + COLOUR16[..., 1] // 2
GREY8 = GREY16 // 257
ALPHA8 = np.clip(np.mgrid[0:HEIGHT, 0:WIDTH][1] * 12, 0, 255)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the pictures that the programs work on."""
    folder = tmp_path_factory.mktemp("source")
    with_alpha = np.concatenate([COLOUR8, ALPHA8[..., None]], -1)
    for name, values, bits, kind in (
        ("rgb", COLOUR8, 8, 2), ("rgb16", COLOUR16, 16, 2), ("rgba", with_alpha, 8, 6),
        ("rgba16", with_alpha * 257, 16, 6), ("grey", GREY8, 8, 0), ("grey16", GREY16, 16, 0),
        ("la", np.stack([GREY8, ALPHA8], -1), 8, 4), ("black", (GREY8 > 120).astype(int), 1, 0),
    ):  # fmt: skip
        (folder / f"{name}.png").write_bytes(png(values, bits, kind))
    return folder


# -- variants made by programs --------------------------------------------------------------------


def magick(name: str, picture: str, *options: object, **more: Any) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("convert", source / f"{picture}.png", *options, out)

    return Variant(name, make, ("convert",), **more)


def vips(name: str, picture: str, *options: object, saver: str = "tiffsave", **more: Any) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("vips", saver, source / f"{picture}.png", out, *options)

    return Variant(name, make, ("vips",), **more)


def recoded(name: str, picture: str, before: Sequence[object], *options: object, **more: Any) -> Variant:
    """Return a TIFF that tiffcp writes anew."""

    def make(source: Path, out: Path) -> None:
        plain = out.with_suffix(".before.tif")
        picture_tools.run("convert", source / f"{picture}.png", *before, plain)
        picture_tools.run("tiffcp", *options, plain, out)

    return Variant(name, make, ("convert", "tiffcp"), **more)


def written(name: str, content: bytes, **more: Any) -> Variant:
    return Variant(name, lambda _source, out: out.write_bytes(content), **more)


NO_PROFILE_OF_CMYK = {"vips": "it takes a press's profile for CMYK without one"}
TIFFS = [
    # libvips
    *(vips(f"v-{c}.tif", "rgb", "--compression", c) for c in ("none", "lzw", "deflate", "packbits", "zstd")),
    *(vips(f"v16-{c}.tif", "rgb16", "--compression", c) for c in ("none", "lzw", "deflate", "packbits", "zstd")),
    *(vips(f"vp-{p}-{c}.tif", p, "--compression", c, "--predictor", "horizontal")
      for p in ("rgb", "rgb16", "grey", "grey16", "rgba") for c in ("lzw", "deflate")),
    *(vips(f"vt-{p}.tif", p, "--tile", "--tile-width", 16, "--tile-height", 16)
      for p in ("rgb", "rgb16", "grey16", "rgba", "rgba16")),
    *(vips(f"vb-{p}.tif", p, "--bigtiff", "--compression", "lzw") for p in ("rgb16", "grey")),
    *(vips(f"vpyr-{p}.tif", p, "--pyramid", "--tile", "--tile-width", 16, "--tile-height", 16)
      for p in ("rgb", "grey16")),
    vips("v-subifd.tif", "rgb", "--pyramid", "--subifd", "--tile", "--tile-width", 16, "--tile-height", 16),
    *(vips(f"v-white-{p}.tif", p, "--miniswhite", "--compression", c) for p, c in (("grey", "none"), ("grey16", "none"), ("grey16", "lzw"))),
    *(vips(f"v-bits{b}.tif", "grey", "--bitdepth", b) for b in (1, 2, 4)),
    *(vips(f"v-bits{b}w.tif", "grey", "--bitdepth", b, "--miniswhite") for b in (1, 2, 4)),
    vips("v-fax.tif", "black", "--bitdepth", 1, "--compression", "ccittfax4"),
    vips("v-jpeg.tif", "rgb", "--compression", "jpeg", "--Q", 95, levels=3),
    vips("v-rgbjpeg.tif", "rgb", "--compression", "jpeg", "--Q", 95, "--rgbjpeg", levels=3),
    vips("v-webp.tif", "rgb", "--compression", "webp", "--lossless"),
    vips("v-premultiplied.tif", "rgba", "--premultiply"),
    vips("v16-premultiplied.tif", "rgba16", "--premultiply"),
    # ImageMagick
    *(magick(f"i-{c}.tif", p, "-compress", c) for p, c in (("rgb", "None"), ("rgb16", "LZW"), ("rgb16", "Zip"), ("rgb", "RLE"), ("rgb", "ZSTD"))),
    *(magick(f"i-depth{d}-{p}-{c}.tif", p, "-compress", c, "-depth", d) for p in ("grey16", "rgb16") for d in (10, 12, 14, 16) for c in ("None", "LZW")),
    *(magick(f"i-msb-{p}-{c}.tif", p, "-compress", c, "-define", "tiff:endian=msb") for p in ("rgb16", "grey16", "rgba16", "grey") for c in ("None", "Zip")),
    *(magick(f"i-white-{d}-{c}.tif", "grey16", "-type", "Grayscale", "-compress", c, "-depth", d, "-define", "quantum:polarity=min-is-white") for d in (1, 2, 4, 8, 12, 16) for c in ("None", "LZW")),
    *(magick(f"i-fill-{p}-{c}.tif", p, "-compress", c, "-define", "tiff:fill-order=lsb") for p, c in (("black", "Group4"), ("grey", "None"), ("rgb", "LZW"))),
    *(magick(f"i-fax-{c}.tif", "black", "-monochrome", "-compress", c) for c in ("Fax", "Group4")),
    *(magick(f"i-planes-{p}-{c}.tif", p, "-compress", c, "-interlace", "plane") for p in ("rgb", "rgb16", "rgba", "rgba16") for c in ("None", "LZW")),
    *(magick(f"i-alpha-{a}-{p}.tif", p, "-compress", "LZW", "-define", f"tiff:alpha={a}") for a in ("associated", "unassociated", "unspecified") for p in ("rgba", "rgba16", "la")),
    *(magick(f"i-cmyk-{p}-{c}.tif", p, "-colorspace", "CMYK", "-compress", c, but=NO_PROFILE_OF_CMYK) for p in ("rgb", "rgb16") for c in ("None", "LZW")),
    *(magick(f"i-ycbcr-{c}-{s}.tif", "rgb", "-colorspace", "YCbCr", "-compress", c, "-sampling-factor", s, "-quality", 95, levels=4) for c in ("JPEG", "None", "LZW") for s in ("1x1", "2x2")),
    *(magick(f"i-lab-{p}.tif", p, "-colorspace", "Lab", "-compress", "LZW", levels=2) for p in ("rgb", "rgb16")),
    *(magick(f"i-palette-{d}.tif", "rgb", "-colors", 2**d, "-type", "Palette", "-compress", "LZW") for d in (1, 2, 4, 8)),
    *(magick(f"i-{f}.tif", "grey16", "-define", f"quantum:format={f}", "-depth", d, "-compress", "None") for f, d in (("floating-point", 32), ("floating-point", 16), ("signed", 16), ("signed", 8))),
    magick("i-depth32.tif", "grey16", "-depth", 32, "-compress", "None"),
    magick("i-float3.tif", "grey16", "-define", "quantum:format=floating-point", "-depth", 32, "-compress", "Zip", "-define", "tiff:predictor=3"),
    *(magick(f"i-orient-{o}.tif", "rgb", "-orient", o, "-compress", "LZW") for o in ("TopRight", "BottomRight", "BottomLeft", "LeftTop", "RightTop", "RightBottom", "LeftBottom")),
    *(magick(f"i-strips-{p}.tif", p, "-define", "tiff:rows-per-strip=3", "-compress", "LZW") for p in ("rgb16", "grey16")),
    # libtiff's tiffcp
    *(recoded(f"t-{n}-{p}.tif", p, ("-compress", "None"), *o)
      for p in ("rgb", "rgb16", "grey16", "rgba16", "grey")
      for n, o in (("planes", ("-p", "separate", "-c", "none")), ("planes-lzw", ("-p", "separate", "-c", "lzw:2")),
                   ("big", ("-8", "-c", "zip")), ("be", ("-B", "-c", "none")), ("fill", ("-f", "lsb2msb", "-c", "lzw")),
                   ("tiles", ("-t", "-w", "16", "-l", "16", "-c", "lzw:2")),
                   ("tile-planes", ("-t", "-w", "16", "-l", "16", "-p", "separate", "-c", "none")))),
    recoded("t-jpeg-tables.tif", "rgb", ("-compress", "None"), "-c", "jpeg:r:95", "-r", "8", levels=3),
    recoded("t-jpeg-raw.tif", "grey", ("-compress", "None"), "-c", "jpeg:95", levels=3),
    recoded("t-12-lzw.tif", "grey16", ("-compress", "None", "-depth", 12), "-c", "lzw"),
    recoded("t-fax3.tif", "black", ("-compress", "None", "-monochrome"), "-c", "g3:2d:fill"),
]
