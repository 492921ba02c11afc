"""A configuration whose training folder is looked at, and pairs for it."""

from __future__ import annotations

import io

from PIL import Image

from pixd.images.demo_set import facade_pair

CONFIG = """\
store: ./store
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
    image_size: 64
    train:
      validation: 0.3
"""


def pair(number: int, *, swapped: bool = False) -> Image.Image:
    both = Image.new("RGB", (128, 64))
    halves = facade_pair(number, 64)
    for place, half in enumerate(reversed(halves) if swapped else halves):
        both.paste(half, (64 * place, 0))
    return both


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()
