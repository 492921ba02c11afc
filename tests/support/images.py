"""Small pictures, and their bytes in a format."""

from __future__ import annotations

import functools
from io import BytesIO

import numpy as np
from PIL import Image

from pixd.images.demo_set import facade_pair


@functools.cache
def facade(number: int, size: int = 64) -> tuple[Image.Image, Image.Image]:
    """Return label map and photo of `facade_pair`, drawn once for all tests: do not change them."""
    return facade_pair(number, size)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / max(1, width - 1), 255 * y / max(1, height - 1)
    array = np.stack([red, green, (red + green) / 2], -1).astype(np.uint8)
    return Image.fromarray(array)
