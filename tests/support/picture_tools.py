"""What ImageMagick and libvips make of a picture, as 8-bit RGB over white, upright."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

PACKAGES = {
    "convert": "imagemagick", "vips": "libvips-tools", "tiffcp": "libtiff-tools", "cwebp": "webp",
    "webpmux": "webp", "gif2webp": "webp", "avifenc": "libavif-bin", "heif-enc": "libheif-examples",
    "cjpeg": "libjpeg-turbo-progs",
}  # fmt: skip
"""By program: the Debian package that has it."""


class CannotReadError(Exception):
    """A program does not read a file that it was given."""


def missing(program: str) -> str:
    """Return the package that has to be installed for a program; "" if it is there."""
    return "" if _path(program) else PACKAGES[program]


def _path(program: str) -> str | None:
    # /usr/bin first: another program called `convert` may lie in front of ImageMagick's.
    return shutil.which(program, path=f"/usr/bin{os.pathsep}{os.environ['PATH']}")


def run(program: str, *arguments: object) -> bytes:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed, with what it said.
    """
    command = [_path(program) or program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-400:]}")
    return done.stdout


def _read(program: str, *arguments: object) -> None:
    try:
        run(program, *arguments)
    except RuntimeError as error:
        raise CannotReadError(str(error)) from error


def by_imagemagick(path: Path, kind: str = "") -> np.ndarray:
    """Return (height, width, 3) as ImageMagick reads the first page; `kind` is its format."""
    source = f"{kind}{':' if kind else ''}{path}[0]"
    out = path.with_name(path.name + ".im.ppm")
    _read("convert", source, "-auto-orient", "+repage", "-colorspace", "sRGB", "-background", "white",
        "-alpha", "remove", "-type", "TrueColor", "-depth", "8", out)  # fmt: skip
    return _ppm(out)


def by_libvips(path: Path) -> np.ndarray:
    """Return (height, width, 3) as libvips reads the first page."""
    steps = [path.with_name(f"{path.name}.{n}.v") for n in range(4)]
    _read("vips", "autorot", path, steps[0])
    run("vips", "colourspace", steps[0], steps[1], "srgb")
    bands = int(run("vipsheader", "-f", "bands", steps[1]))
    if bands == 4:
        run("vips", "flatten", steps[1], steps[2], "--background", "255 255 255")
    else:
        steps[2] = steps[1]
    out = path.with_name(path.name + ".vips.ppm")
    run("vips", "cast", steps[2], steps[3], "uchar")
    run("vips", "ppmsave", steps[3], out)
    return _ppm(out)


def _ppm(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)
