"""Variants of formats, made by other programs, are read as ImageMagick and libvips read them."""

from __future__ import annotations

import contextlib
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
from tests.support.tiff_files import packed, page, pages, tiff

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
        may_be_refused: whether a refusal is as good, because decoders differ in what they have.
        right: the pixels, where nobody needs to be asked.
    """

    name: str
    make: Callable[[Path, Path], object]
    needs: tuple[str, ...] = ()
    levels: int = 1
    but: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    may_be_refused: bool = False
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
OVER_WHITE = np.rint(COLOUR8 * (ALPHA8[..., None] / 255) + 255 - ALPHA8[..., None]).astype(int)
PREMULTIPLIED = np.concatenate(
    [np.rint(COLOUR8 * (ALPHA8[..., None] / 255)).astype(int), ALPHA8[..., None]], -1
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the pictures that the programs work on."""
    folder = tmp_path_factory.mktemp("source")
    with_alpha = np.concatenate([COLOUR8, ALPHA8[..., None]], -1)
    for name, values, bits, kind in (
        ("rgb", COLOUR8, 8, 2), ("rgb16", COLOUR16, 16, 2), ("rgba", with_alpha, 8, 6),
        ("rgba16", with_alpha * 257, 16, 6), ("grey", GREY8, 8, 0), ("grey16", GREY16, 16, 0),
        ("la", np.stack([GREY8, ALPHA8], -1), 8, 4), ("black", (GREY8 > 120).astype(int), 1, 0),
        ("premultiplied", PREMULTIPLIED, 8, 6),
    ):  # fmt: skip
        (folder / f"{name}.png").write_bytes(png(values, bits, kind))
    return folder


# -- variants made by programs --------------------------------------------------------------------


def magick(name: str, picture: str, *options: object, **more: Any) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("convert", source / f"{picture}.png", *options, out)

    return Variant(name, make, ("convert",), **more)


def vips(
    name: str, picture: str, *options: object, saver: str = "tiffsave", **more: Any
) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("vips", saver, source / f"{picture}.png", out, *options)

    return Variant(name, make, ("vips",), **more)


def recoded(
    name: str, picture: str, before: Sequence[object], *options: object, **more: Any
) -> Variant:
    """Return a TIFF that tiffcp writes anew."""

    def make(source: Path, out: Path) -> None:
        plain = out.with_suffix(".before.tif")
        picture_tools.run("convert", source / f"{picture}.png", *before, plain)
        picture_tools.run("tiffcp", *options, plain, out)

    return Variant(name, make, ("convert", "tiffcp"), **more)


def written(name: str, content: bytes, **more: Any) -> Variant:
    return Variant(name, lambda _source, out: out.write_bytes(content), **more)


MIN_IS_WHITE = {"convert": "ImageMagick 6 neither writes nor reads 2, 4 and 12 bits inverted"}
NO_YCBCR = {"vips": "it reads YCbCr without JPEG as RGB"}
NO_PROFILE_OF_CMYK = {"vips": "it takes a press's profile for CMYK without one"}
TIFFS = [
    # libvips
    *(
        vips(f"v-{c}.tif", "rgb", "--compression", c)
        for c in ("none", "lzw", "deflate", "packbits", "zstd")
    ),
    *(
        vips(f"v16-{c}.tif", "rgb16", "--compression", c)
        for c in ("none", "lzw", "deflate", "packbits", "zstd")
    ),
    *(
        vips(f"vp-{p}-{c}.tif", p, "--compression", c, "--predictor", "horizontal")
        for p in ("rgb", "rgb16", "grey", "grey16", "rgba")
        for c in ("lzw", "deflate")
    ),
    *(
        vips(f"vt-{p}.tif", p, "--tile", "--tile-width", 16, "--tile-height", 16)
        for p in ("rgb", "rgb16", "grey16", "rgba", "rgba16")
    ),
    *(vips(f"vb-{p}.tif", p, "--bigtiff", "--compression", "lzw") for p in ("rgb16", "grey")),
    *(
        vips(f"vpyr-{p}.tif", p, "--pyramid", "--tile", "--tile-width", 16, "--tile-height", 16)
        for p in ("rgb", "grey16")
    ),
    vips(
        "v-subifd.tif",
        "rgb",
        "--pyramid",
        "--subifd",
        "--tile",
        "--tile-width",
        16,
        "--tile-height",
        16,
    ),
    *(
        vips(f"v-white-{p}-{c}.tif", p, "--miniswhite", "--compression", c)
        for p, c in (("grey", "none"), ("grey16", "none"), ("grey16", "lzw"))
    ),
    *(vips(f"v-bits{b}.tif", "grey", "--bitdepth", b) for b in (1, 2, 4)),
    *(
        vips(f"v-bits{b}w.tif", "grey", "--bitdepth", b, "--miniswhite", but=MIN_IS_WHITE)
        for b in (1, 2, 4)
    ),
    vips("v-fax.tif", "black", "--bitdepth", 1, "--compression", "ccittfax4"),
    vips("v-jpeg.tif", "rgb", "--compression", "jpeg", "--Q", 95, levels=3),
    vips("v-rgbjpeg.tif", "rgb", "--compression", "jpeg", "--Q", 95, "--rgbjpeg", levels=3),
    vips("v-webp.tif", "rgb", "--compression", "webp", "--lossless", may_be_refused=True),
    vips("v-premultiplied.tif", "rgba", "--premultiply"),
    vips("v16-premultiplied.tif", "rgba16", "--premultiply"),
    # ImageMagick
    *(
        magick(f"i-{c}.tif", p, "-compress", c)
        for p, c in (
            ("rgb", "None"),
            ("rgb16", "LZW"),
            ("rgb16", "Zip"),
            ("rgb", "RLE"),
            ("rgb", "ZSTD"),
        )
    ),
    *(
        magick(
            f"i-depth{d}-{p}-{c}.tif",
            p,
            "-compress",
            c,
            "-depth",
            d,
            refused="" if (d, p) in {(16, p), (12, "grey16")} else f"{d} bits",
        )
        for p in ("grey16", "rgb16")
        for d in (10, 12, 14, 16)
        for c in ("None", "LZW")
    ),
    *(
        magick(f"i-msb-{p}-{c}.tif", p, "-compress", c, "-define", "tiff:endian=msb")
        for p in ("rgb16", "grey16", "rgba16", "grey")
        for c in ("None", "Zip")
    ),
    *(
        magick(
            f"i-white-{d}-{c}.tif",
            "grey16",
            "-type",
            "Grayscale",
            "-compress",
            c,
            "-depth",
            d,
            "-define",
            "quantum:polarity=min-is-white",
            but=MIN_IS_WHITE if d in {2, 4} else {},
        )
        for d in (1, 2, 4, 8, 16)
        for c in ("None", "LZW")
    ),
    *(
        magick(f"i-fill-{p}-{c}.tif", p, "-compress", c, "-define", "tiff:fill-order=lsb")
        for p, c in (("black", "Group4"), ("grey", "None"), ("rgb", "LZW"))
    ),
    *(magick(f"i-fax-{c}.tif", "black", "-monochrome", "-compress", c) for c in ("Fax", "Group4")),
    *(
        magick(f"i-planes-{p}-{c}.tif", p, "-compress", c, "-interlace", "plane")
        for p in ("rgb", "rgb16", "rgba", "rgba16")
        for c in ("None", "LZW")
    ),
    *(
        magick(f"i-alpha-{a}-{p}.tif", p, "-compress", "LZW", "-define", f"tiff:alpha={a}")
        for a in ("associated", "unassociated")
        for p in ("rgba", "rgba16", "la")
    ),
    *(
        magick(
            f"i-alpha-planes-{c}-{p}.tif",
            p,
            "-interlace",
            "plane",
            "-compress",
            c,
            "-define",
            "tiff:alpha=associated",
        )
        for c in ("None", "LZW")
        for p in ("rgba", "rgba16")
    ),
    *(
        magick(
            f"i-alpha-unspecified-{p}.tif",
            p,
            "-compress",
            "LZW",
            "-define",
            "tiff:alpha=unspecified",
            right=COLOUR8,
        )
        for p in ("rgba", "rgba16")
    ),
    magick(
        "i-alpha-unspecified-la.tif",
        "la",
        "-compress",
        "LZW",
        "-define",
        "tiff:alpha=unspecified",
        right=GREY8,
    ),
    *(
        magick(
            f"i-cmyk-{p}-{c}.tif", p, "-colorspace", "CMYK", "-compress", c, but=NO_PROFILE_OF_CMYK
        )
        for p in ("rgb", "rgb16")
        for c in ("None", "LZW")
    ),
    *(
        magick(
            f"i-ycbcr-{c}-{s}.tif",
            "rgb",
            "-colorspace",
            "YCbCr",
            "-compress",
            c,
            "-sampling-factor",
            s,
            "-quality",
            95,
            levels=4,
            but=NO_YCBCR,
        )
        for c in ("JPEG", "None", "LZW")
        for s in ("1x1", "2x2")
    ),
    *(
        magick(f"i-lab-{p}.tif", p, "-colorspace", "Lab", "-compress", "LZW", refused="CIE Lab")
        for p in ("rgb", "rgb16")
    ),
    *(
        magick(f"i-palette-{d}.tif", "rgb", "-colors", 2**d, "-type", "Palette", "-compress", "LZW")
        for d in (1, 2, 4, 8)
    ),
    *(
        magick(
            f"i-signed{d}.tif",
            "grey16",
            "-define",
            "quantum:format=signed",
            "-depth",
            d,
            "-compress",
            "None",
            refused="signed",
        )
        for d in (8, 16)
    ),
    magick("i-depth32.tif", "grey16", "-depth", 32, "-compress", "None", refused="32 bits"),
    *(
        magick(
            f"i-float{p}.tif",
            "grey16",
            "-define",
            "quantum:format=floating-point",
            "-depth",
            32,
            "-compress",
            "Zip",
            "-define",
            f"tiff:predictor={p}",
            refused="floating point",
        )
        for p in (1, 3)
    ),
    *(
        magick(f"i-orient-{o}.tif", "rgb", "-orient", o, "-compress", "LZW")
        for o in (
            "TopRight",
            "BottomRight",
            "BottomLeft",
            "LeftTop",
            "RightTop",
            "RightBottom",
            "LeftBottom",
        )
    ),
    *(
        magick(f"i-strips-{p}.tif", p, "-define", "tiff:rows-per-strip=3", "-compress", "LZW")
        for p in ("rgb16", "grey16")
    ),
    # libtiff's tiffcp
    # tiffcp makes planes of 8 bits only.
    *(
        recoded(
            f"t-{n}-{p}.tif",
            p,
            ("-compress", "None"),
            *o,
            refused="lowest bit first" if n == "fill" and p in {"rgb16", "rgba16", "rgba"} else "",
        )
        for p in ("rgb", "rgb16", "grey16", "rgba16", "grey", "rgba")
        for n, o in (
            ("planes", ("-p", "separate", "-c", "none")),
            ("planes-lzw", ("-p", "separate", "-c", "lzw:2")),
            ("big", ("-8", "-c", "zip")),
            ("be", ("-B", "-c", "none")),
            ("fill", ("-f", "lsb2msb", "-c", "lzw")),
            ("tiles", ("-t", "-w", "16", "-l", "16", "-c", "lzw:2")),
            ("tile-planes", ("-t", "-w", "16", "-l", "16", "-p", "separate", "-c", "none")),
        )
        if "planes" not in n
        or p in {"rgb", "rgba"}
        or (n, p) in {("tile-planes", "grey"), ("tile-planes", "grey16")}
    ),
    recoded(
        "t-jpeg-tables.tif", "rgb", ("-compress", "None"), "-c", "jpeg:r:95", "-r", "8", levels=3
    ),
    recoded("t-jpeg-raw.tif", "grey", ("-compress", "None"), "-c", "jpeg:95", levels=3),
    recoded("t-12-lzw.tif", "grey16", ("-compress", "None", "-depth", 12), "-c", "lzw"),
    recoded("t-fax3.tif", "black", ("-monochrome", "-compress", "Group4"), "-c", "g3:2d:fill"),
]

# -- TIFFs that no program here writes -------------------------------------------------------------

FOUR8 = np.concatenate([COLOUR8, (255 - GREY8)[..., None]], -1)
GREY12 = np.rint(GREY16 * 4095 / 65535).astype(int)
NEAR_INFRARED = {"vips": "it takes any fourth band for alpha"}


def zipped(values: np.ndarray, bits: int, photometric: int, order: str = "<", **more: Any) -> bytes:
    raw = zlib.compress(packed(values.reshape(len(values), -1), bits, order))
    tags = {259: ("H", [8])} | more.pop("tags", {})
    return tiff(values, bits, photometric, order=order, raw=raw, tags=tags, **more)


def zipped_planes(values: np.ndarray, bits: int, photometric: int, **more: Any) -> bytes:
    """Return a TIFF of a compressed strip for each sample."""
    tags, planes = page(values, bits, photometric, planar=2, **more)
    return pages([(tags | {259: ("H", [8])}, [zlib.compress(plane) for plane in planes])])


HAND_TIFFS = [
    *(
        written(
            f"h-{n}12{p}.tif",
            made(GREY12 if p else 4095 - GREY12, 12, p),
            right=np.rint(GREY12 / 4095 * 255).astype(int),
        )
        for n, made in (("raw", tiff), ("zip", zipped))
        for p in (0, 1)
    ),
    *(
        written(
            f"h-{n}16w{o}.tif", made(65535 - GREY16, 16, 0, order=o), right=(GREY16 + 128) // 257
        )
        for n, made in (("raw", tiff), ("zip", zipped))
        for o in "<>"
    ),
    *(
        written(
            f"h-be12-{p}.tif",
            tiff(GREY12 if p else 4095 - GREY12, 12, p, order=">"),
            right=np.rint(GREY12 / 4095 * 255).astype(int),
        )
        for p in (0, 1)
    ),
    *(
        written(
            f"h-nir-{b}-{n}-{pl}.tif",
            made(FOUR8 * (1 if b == 8 else 257), b, 2, planar=pl),
            right=COLOUR8,
        )
        for b in (8, 16)
        for n, made, pl in (("raw", tiff, 1), ("raw", tiff, 2), ("zip", zipped, 1))
    ),
    *(
        written(
            f"h-nir-{b}-zip-2.tif",
            zipped_planes(FOUR8 * (1 if b == 8 else 257), b, 2),
            right=COLOUR8,
        )
        for b in (8, 16)
    ),
    *(
        written(
            f"h-associated-{b}-{n}.tif",
            made(PREMULTIPLIED * (1 if b == 8 else 257), b, 2, tags={338: ("H", [1])}),
            right=OVER_WHITE,
            levels=2,
        )
        for b in (8, 16)
        for n, made in (("raw", tiff), ("zip", zipped), ("planes", zipped_planes))
    ),
    *(
        written(
            f"h-extra0-{b}.tif",
            tiff(FOUR8 * (1 if b == 8 else 257), b, 2, tags={338: ("H", [0])}),
            right=COLOUR8,
        )
        for b in (8, 16)
    ),
    written(
        "h-five.tif",
        tiff(np.concatenate([FOUR8, FOUR8[..., :1]], -1), 8, 2, tags={338: ("H", [0, 0])}),
        right=COLOUR8,
    ),
    written(
        "h-five-none.tif",
        tiff(np.concatenate([FOUR8, FOUR8[..., :1]], -1), 8, 2),
        refused="5 samples",
    ),
    written(
        "h-five-alpha.tif",
        tiff(np.concatenate([FOUR8, FOUR8[..., :1]], -1), 8, 2, tags={338: ("H", [2, 0])}),
        but=NEAR_INFRARED,
    ),
    written(
        "h-two.tif", tiff(FOUR8[..., [0, 3]], 8, 1, tags={338: ("H", [0])}), right=FOUR8[..., 0]
    ),
    written("h-two-none.tif", tiff(FOUR8[..., [0, 3]], 8, 1), refused="2 samples"),
    *(
        written(
            f"h-la{b}-{a}.tif",
            tiff(
                np.stack([GREY8, ALPHA8], -1) * (1 if b == 8 else 257), b, 1, tags={338: ("H", [a])}
            ),
            but={"vips": "it divides nothing"} if a == 1 else {},
            refused="2 samples of 16 bits" if b == 16 else "",
        )
        for b in (8, 16)
        for a in (1, 2)
    ),
    *(
        written(f"h-planes16-{o}-{n}.tif", tiff(COLOUR16, 16, 2, planar=2, order=o), right=COLOUR8)
        for o in "<>"
        for n in "a"
    ),
    *(
        written(
            f"h-signed{b}-{p}.tif",
            tiff(GREY16 >> 16 - b, b, p, tags={339: ("H", [2])}),
            refused="signed",
        )
        for b in (8, 16)
        for p in (0, 1)
    ),
    *(
        written(
            f"h-int32-{f}.tif", tiff(GREY8, 32, 1, tags={339: ("H", [f])}), refused="whole numbers"
        )
        for f in (1, 2)
    ),
    *(
        written(
            f"h-float32-{p}.tif",
            tiff(GREY8, 32, p, tags={339: ("H", [3])}, raw=(GREY8 / 255).astype("<f4").tobytes()),
            refused="floating",
        )
        for p in (0, 1)
    ),
    written(
        "h-float64.tif",
        tiff(
            GREY8,
            32,
            1,
            tags={339: ("H", [3]), 258: ("H", [64])},
            raw=(GREY8 / 255).astype("<f8").tobytes(),
        ),
        refused="floating",
    ),
    written(
        "h-float-rgb.tif",
        tiff(
            COLOUR8, 32, 2, tags={339: ("H", [3] * 3)}, raw=(COLOUR8 / 255).astype("<f4").tobytes()
        ),
        refused="floating",
    ),
    written("h-formats.tif", tiff(COLOUR8, 8, 2, tags={339: ("H", [1, 1, 2])}), refused="signed"),
    written("h-void.tif", tiff(GREY8, 8, 1, tags={339: ("H", [4])}), refused="TIFF"),
    *(
        written(f"h-bits{b}.tif", tiff(GREY16 >> 16 - b, b, 1), refused=f"{b} ")
        for b in (3, 5, 6, 10, 14)
    ),
    *(
        written(f"h-rgb{b}.tif", tiff(COLOUR16 >> 16 - b, b, 2), refused=f"{b} ")
        for b in (4, 10, 12)
    ),
    written("h-565.tif", tiff(COLOUR8, 8, 2, tags={258: ("H", [5, 6, 5])}), refused="5/6 bits"),
    written(
        "h-palette8.tif",
        tiff(GREY8, 8, 3, tags={320: ("H", [*range(256), *range(255, -1, -1), *([9] * 256)])}),
        right=np.stack([GREY8, 255 - GREY8, 9 + 0 * GREY8], -1),
    ),
    written(
        "h-palette16.tif",
        tiff(
            GREY8,
            8,
            3,
            tags={320: ("H", [*range(0, 65536, 257), *range(65535, -1, -257), *([9 * 257] * 256)])},
        ),
        right=np.stack([GREY8, 255 - GREY8, 9 + 0 * GREY8], -1),
    ),
    written("h-inks.tif", tiff(FOUR8, 8, 5, tags={332: ("H", [2])}), refused="inks"),
    written("h-cmyk.tif", tiff(FOUR8, 8, 5), but=NO_PROFILE_OF_CMYK),
    written("h-cmyk16.tif", tiff(FOUR8 * 257, 16, 5), but=NO_PROFILE_OF_CMYK),
    written(
        "h-cmyk-extra.tif",
        tiff(np.concatenate([FOUR8, FOUR8[..., :1]], -1), 8, 5, tags={338: ("H", [0])}),
        right=np.rint((255 - COLOUR8) * (GREY8[..., None] / 255)).astype(int),
    ),
    written(
        "h-ycbcr.tif", tiff(FOUR8[..., :3], 8, 6, tags={530: ("H", [1, 1])}), but=NO_YCBCR, levels=2
    ),
    written(
        "h-ycbcr-range.tif",
        tiff(
            FOUR8[..., :3],
            8,
            6,
            tags={530: ("H", [1, 1]), 532: ("f", [16, 235, 128, 240, 128, 240])},
        ),
        refused="narrow range",
    ),
    written("h-lab.tif", tiff(FOUR8[..., :3], 8, 8), refused="CIE Lab"),
    written("h-icclab.tif", tiff(FOUR8[..., :3], 8, 9), refused="ICC Lab"),
    written("h-mask.tif", tiff((GREY8 > 99).astype(int), 1, 4), refused="mask"),
    written("h-no-photometric.tif", tiff(GREY8, 8, without=[262]), refused="whether 0"),
    written("h-no-planar.tif", tiff(GREY8, 8, without=[284, 277, 278]), right=GREY8),
    written("h-bits-once.tif", tiff(COLOUR8, 8, 2, tags={258: ("H", [8])}), right=COLOUR8),
    written(
        "h-thumbnail.tif",
        pages([page(GREY8[:5, :5], tags={254: ("I", [1])}), page(GREY8)]),
        right=GREY8,
    ),
    written(
        "h-two-pages.tif",
        pages([page(GREY8), page(GREY8[:5, :5], tags={254: ("I", [1])})]),
        right=GREY8,
    ),
    *(
        written(f"h-orient{o}-{b}.tif", tiff(COLOUR16 >> 16 - b, b, 2, tags={274: ("H", [o])}))
        for o in range(1, 9)
        for b in (8, 16)
    ),
    *(
        written(f"h-orient{o}-g16.tif", tiff(65535 - GREY16, 16, 0, tags={274: ("H", [o])}))
        for o in (3, 6)
    ),
    *(
        written(
            f"h-fill2-{b}-{p}.tif",
            tiff(
                GREY8,
                b,
                p,
                tags={266: ("H", [2])},
                raw=bytes(int(f"{v:08b}"[::-1], 2) for v in packed(GREY8 >> 8 - b, b)),
            ),
            but=MIN_IS_WHITE if p == 0 else {},
        )
        for b in (1, 2, 4, 8)
        for p in (0, 1)
    ),
    written(
        "h-fill2-16.tif",
        tiff(
            GREY16,
            16,
            1,
            tags={266: ("H", [2])},
            raw=bytes(int(f"{v:08b}"[::-1], 2) for v in packed(GREY16, 16)),
        ),
    ),
]

# -- other formats ---------------------------------------------------------------------------------


def pillow(name: str, image: Image.Image, **more: Any) -> Variant:
    options = more.pop("options", {})
    return Variant(name, lambda _source, out: image.save(out, **options), **more)


def be16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


NO_GAMMA = {"vips": "it leaves gAMA out"}
PNGS = [
    *(
        magick(f"i-{p}-{d}-{i}.png", p, "-depth", d, "-interlace", i)
        for p in ("grey16", "rgb16", "rgba16", "la")
        for d in (8, 16)
        for i in ("none", "PNG")
    ),
    *(written(f"h-grey{b}.png", png(GREY16 >> 16 - b, b, 0)) for b in (1, 2, 4, 8, 16)),
    *(
        written(
            f"h-grey{b}-clear.png",
            png(GREY16 >> 16 - b, b, 0, tRNS=be16(int(GREY16[4, 20]) >> 16 - b)),
        )
        for b in (1, 2, 4, 8, 16)
    ),
    *(
        written(
            f"h-rgb{b}-clear.png",
            png(COLOUR16 >> 16 - b, b, 2, tRNS=be16(*(int(v) >> 16 - b for v in COLOUR16[9, 22]))),
        )
        for b in (8, 16)
    ),
    *(
        written(
            f"h-palette{b}.png",
            png(
                GREY16 >> 16 - b,
                b,
                3,
                PLTE=bytes(range(256)) * 3 if b == 8 else bytes(range(3 * 2**b)),
            ),
        )
        for b in (1, 2, 4, 8)
    ),
    *(
        written(
            f"h-palette{b}-clear.png",
            png(
                GREY16 >> 16 - b,
                b,
                3,
                PLTE=bytes(range(3 * 2**b)) if b < 8 else bytes(range(256)) * 3,
                tRNS=bytes([0, 128, 255][: 2**b]),
            ),
        )
        for b in (1, 2, 4, 8)
    ),
    *(written(f"h-sbit{k}.png", png(COLOUR16, 16, 2, sBIT=bytes([10, 10, 10]))) for k in (1,)),
    written("h-sbit-grey.png", png(GREY16, 16, 0, sBIT=bytes([12]))),
    *(
        written(
            f"h-linear{b}-{k}.png",
            png((COLOUR16 if k == 2 else GREY16) >> 16 - b, b, k, gAMA=struct.pack(">I", 100000)),
            but=NO_GAMMA,
        )
        for b in (8, 16)
        for k in (0, 2)
    ),
    written("h-gamma22.png", png(COLOUR8, 8, 2, gAMA=struct.pack(">I", 45455))),
    written("h-srgb.png", png(COLOUR8, 8, 2, sRGB=b"\0", gAMA=struct.pack(">I", 45455))),
    written("h-cicp-srgb.png", png(COLOUR8, 8, 2, cICP=bytes([1, 13, 0, 1]))),
    written("h-cicp-pq.png", png(COLOUR16, 16, 2, cICP=bytes([9, 16, 0, 1])), refused="PQ"),
    written("h-cicp-hlg.png", png(COLOUR16, 16, 2, cICP=bytes([9, 18, 0, 1])), refused="HLG"),
]


def scene_image(mode: str = "RGB") -> Image.Image:
    image = Image.fromarray(COLOUR8.astype(np.uint8))
    if mode in {"RGBA", "LA"}:
        image = image.convert(mode)
        image.putalpha(Image.fromarray(ALPHA8.astype(np.uint8)))
        return image
    return image.convert(mode)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


IM_READS_GIF = {"vips": "it may lack the format"}
OTHERS = [
    *(
        pillow(
            f"p-{q}-{m}.webp",
            scene_image(m),
            options={"lossless": q == "lossless", "quality": 90, "exact": True},
            levels=1 if q == "lossless" else 2,
        )
        for q in ("lossless", "lossy")
        for m in ("RGB", "RGBA")
    ),
    *(
        pillow(
            f"p-orient{o}.webp",
            scene_image(),
            options={"lossless": True, "exif": turned(o)},
            but={"convert": "ImageMagick 6 reads no orientation of WebP"},
        )
        for o in (3, 6)
    ),
    pillow(
        "p-animated.webp",
        scene_image(),
        options={"save_all": True, "append_images": [scene_image().rotate(180)], "lossless": True},
    ),
    pillow(
        "p-animated-alpha.webp",
        scene_image("RGBA"),
        options={
            "save_all": True,
            "append_images": [scene_image("RGBA").rotate(180)],
            "lossless": True,
        },
    ),
    *(
        pillow(
            f"p-{n}.jpg",
            scene_image(m),
            options={"quality": 92, **o},
            levels=2,
            but=NO_PROFILE_OF_CMYK if m == "CMYK" else {},
        )
        for n, m, o in (
            ("rgb", "RGB", {"subsampling": 0}),
            ("grey", "L", {}),
            ("cmyk", "CMYK", {}),
            ("progressive", "RGB", {"progressive": True, "subsampling": 0}),
            ("420", "RGB", {"subsampling": 2}),
            ("turned", "RGB", {"subsampling": 0, "exif": turned(6)}),
        )
    ),
    magick(
        "i-cmyk.jpg", "rgb", "-colorspace", "CMYK", "-quality", 95, but=NO_PROFILE_OF_CMYK, levels=2
    ),
    magick(
        "i-ycck.jpg",
        "rgb",
        "-colorspace",
        "CMYK",
        "-define",
        "jpeg:colorspace=YCCK",
        "-quality",
        95,
        but=NO_PROFILE_OF_CMYK,
        levels=2,
    ),
    magick(
        "i-rgb.jpg",
        "rgb",
        "-define",
        "jpeg:colorspace=RGB",
        "-sampling-factor",
        "1x1",
        "-quality",
        95,
        levels=2,
    ),
    *(
        magick(f"i-{f}-{p}.bmp", p, "-define", f"bmp:format={f}")
        for f in ("bmp2", "bmp3", "bmp4")
        for p in ("rgb", "grey", "black", "rgba")
    ),
    *(
        magick(
            f"i-{s}.bmp",
            p,
            "-define",
            f"bmp:subtype={s}",
            refused={"ARGB4444": "bitfields", "ARGB1555": "transparency"}.get(s, ""),
        )
        for s, p in (
            ("RGB565", "rgb"),
            ("RGB555", "rgb"),
            ("ARGB4444", "rgba"),
            ("ARGB1555", "rgba"),
        )
    ),
    magick("i-rle.bmp", "grey", "-colors", 16, "-type", "Palette", "-compress", "RLE"),
    magick("i-palette.bmp", "rgb", "-colors", 16, "-type", "Palette"),
    magick("i-plain.gif", "rgb", "-colors", 64),
    magick("i-clear.gif", "rgb", "-colors", 64, "-transparent", "white"),
    magick(
        "i-offset.gif",
        "rgb",
        "-colors",
        64,
        "-repage",
        "60x50+10+8",
        but={"convert": "asked without its page"},
    ),
    magick("i-interlaced.gif", "rgb", "-colors", 64, "-interlace", "GIF"),
]


OLD_HEIF = {"convert": "ImageMagick 6 takes YCbCr for RGB"}
HEIF: dict[str, Any] = {"levels": 4, "but": OLD_HEIF}


def avif(name: str, picture: str, *options: object, **more: Any) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("avifenc", "-s", 10, "-j", 1, *options, source / f"{picture}.png", out)

    return Variant(name, make, ("avifenc",), **(HEIF | more))


def heic(name: str, picture: str, *options: object, **more: Any) -> Variant:
    def make(source: Path, out: Path) -> None:
        picture_tools.run("heif-enc", *options, source / f"{picture}.png", "-o", out)

    return Variant(name, make, ("heif-enc",), **(HEIF | more))


BEST = ("--min", 0, "--max", 0)
GREY_OF_COLOUR = np.rint(COLOUR8 @ [0.299, 0.587, 0.114]).astype(int)
AVIFS = [
    *(
        avif(f"a-{d}-{r}-444.avif", "rgb16", *BEST, "-d", d, "-r", r, "-y", "444", right=COLOUR8)
        for d in (8, 10, 12)
        for r in ("full", "limited")
    ),
    *(
        avif(
            f"a-{d}-{r}-400.avif",
            "rgb16",
            *BEST,
            "-d",
            d,
            "-r",
            r,
            "-y",
            "400",
            right=GREY_OF_COLOUR,
        )
        for d in (8, 10, 12)
        for r in ("full", "limited")
    ),
    avif("a-420.avif", "grey", *BEST, "-y", "420"),
    avif("a-lossless.avif", "rgb", "--lossless", right=COLOUR8),
    avif("a-alpha.avif", "rgba", *BEST, "-y", "444", right=OVER_WHITE),
    avif("a-premultiplied.avif", "rgba", *BEST, "-y", "444", "--premultiply", right=OVER_WHITE),
    *(avif(f"a-irot{n}.avif", "rgb", *BEST, "-y", "444", "--irot", n) for n in (1, 2, 3)),
    *(avif(f"a-imir{n}.avif", "rgb", *BEST, "-y", "444", "--imir", n) for n in (0, 1)),
    *(
        avif(f"a-irot{n}-imir{m}.avif", "rgb", *BEST, "-y", "444", "--irot", n, "--imir", m)
        for n in (1, 3)
        for m in (0, 1)
    ),
    avif(
        "a-clap.avif",
        "rgb",
        *BEST,
        "-y",
        "444",
        "--clap",
        "17,1,12,1,0,1,0,1",
        refused="clean aperture",
    ),
    avif("a-pq.avif", "rgb16", *BEST, "-d", 10, "--cicp", "9/16/9", refused="PQ"),
    avif("a-hlg.avif", "rgb16", *BEST, "-d", 10, "--cicp", "9/18/9", refused="HLG"),
    avif("a-srgb.avif", "rgb", *BEST, "-y", "444", "--cicp", "1/13/6", right=COLOUR8),
    *(
        heic(f"c-{p}-{b}.heic", p, "-L", "-p", "chroma=444", "-b", b)
        for p, b in (
            ("rgb", 8),
            ("rgb16", 10),
            ("rgb16", 12),
            ("grey", 8),
            ("rgba", 8),
            ("rgba", 10),
        )
    ),
    # heif-enc says that the colours are multiplied, and does not multiply them.
    heic(
        "c-premultiplied.heic",
        "premultiplied",
        "-L",
        "-p",
        "chroma=444",
        "--premultiplied-alpha",
        right=OVER_WHITE,
    ),
]
READERS = {"convert": picture_tools.by_imagemagick, "vips": picture_tools.by_libvips}
EVERY = [*TIFFS, *HAND_TIFFS, *PNGS, *OTHERS, *AVIFS]


def reading(  # noqa: C901 - one file from its making to the verdict
    variant: Variant, source: Path, out: Path
) -> str:
    """Make a file and read it; return what is wrong, "" if nothing is."""
    absent = {picture_tools.missing(p) for p in (*variant.needs, "convert", "vips")} - {""}
    if absent:
        pytest.skip(f"install {', '.join(sorted(absent))}")
    path = out / variant.name
    variant.make(source, path)
    try:
        found = np.asarray(decode.decode_file(path)).astype(int)
    except ImageRejectedError as error:
        if variant.may_be_refused:
            return ""
        return "" if variant.refused and variant.refused in error.message else error.message
    if variant.refused:
        return "it is taken"
    wrong = []
    right = variant.right
    if right is not None:
        readings = {
            "what was written": right if right.ndim == 3 else np.repeat(right[..., None], 3, -1)
        }
    else:
        readings = {}
        for name, read in READERS.items():
            if name not in variant.but:
                with contextlib.suppress(picture_tools.CannotReadError):
                    readings[name] = read(path)
        assert readings, "no program reads it"
    for name, pixels in readings.items():
        if pixels.shape != found.shape:
            wrong.append(f"{name}: {pixels.shape} for {found.shape}")
        elif np.abs(pixels - found).max() > variant.levels:
            apart = np.abs(pixels - found)
            wrong.append(f"{name}: up to {apart.max()}, {apart.mean():.1f} on average")
    return "; ".join(wrong)


def test_names_are_not_used_twice() -> None:
    assert len({variant.name for variant in EVERY}) == len(EVERY)


@pytest.mark.parametrize("variant", EVERY, ids=lambda variant: variant.name)
def test_a_variant_is_read_as_other_programs_read_it_or_refused(
    variant: Variant, source: Path, tmp_path: Path
) -> None:
    assert reading(variant, source, tmp_path) == ""
