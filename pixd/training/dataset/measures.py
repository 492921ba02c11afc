"""What is measured of a training picture, once for each content: a thumbnail and a few numbers.

This runs in the child that decodes (`pixd.training.dataset.inspector_child`).
`pixd.training.dataset.near_duplicates` and `pixd.training.dataset.findings` use the numbers of a
whole set, without arrays, to find duplicates and swapped halves. All numbers are small integers, so
that they can be kept and compared exactly. After a change here, raise
`pixd.training.dataset.near_duplicates.REVISION`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pixd.images import side_by_side
from pixd.training.dataset.near_duplicates import THUMB_PX

if TYPE_CHECKING:
    from pixd.images.picture import Picture

_LOOKED_AT_PX = 64
"""Pictures are first reduced to about this side. That still shows how flat or detailed they are,
and large pictures then take no longer than small ones."""
_SAME = 12  # levels of 255: noise, dithering and JPEG change a value by less
_FLAT = 2  # levels: neighbours that differ by no more are no edge
_MARGIN = 16  # at most, px: the blocks of JPEG mix the two halves at their border


def measure(
    image: Image.Image, layout: str, picture: Picture | None = None
) -> list[dict[str, Any]]:
    """Measure a picture, or both halves of a side-by-side pair.

    Args:
        image: of mode RGB, as `pixd.images.decode.decode` returns it.
        layout: "side-by-side" or "single".
        picture: the same as its file has it, for the values in the file; None leaves these out.

    Returns:
        One mapping for each part, as `pixd.training.dataset.near_duplicates.Part.from_json` reads it.

    Raises:
        ImageRejectedError: it is no side-by-side pair.
    """
    if layout == "side-by-side":
        side_by_side.check(image)
    parts = side_by_side.split(image) if layout == "side-by-side" else (image,)
    found = [_part(part) for part in parts]
    if picture is not None:
        for number, part in enumerate(parts):
            left = number * (image.width - part.width)
            values = picture.values((left, 0, left + part.width, part.height))
            found[number] |= {"values": values.told() if values else None}
    return found


def _part(image: Image.Image) -> dict[str, Any]:
    reduced = image.reduce(max(1, max(image.size) // _LOOKED_AT_PX))
    thumb = base64.b64encode(_thumb(image))
    return {
        "width": image.width,
        "height": image.height,
        "thumb": thumb.decode("ascii"),
        "plain": _plain(image),
        "stats": _stats(reduced),
    }


def _thumb(image: Image.Image) -> bytes:
    """Return the thumbnail of `pixd.training.dataset.near_duplicates.Part`."""
    small = image.resize((THUMB_PX, THUMB_PX), Image.Resampling.BOX).convert("YCbCr")
    values = np.asarray(small).copy()
    values[..., 1:] = values[..., 1:] // 2 + 64
    return values.tobytes()


def _plain(image: Image.Image) -> int:
    """Return how many of 100,000 pixels have nearly the most common value, without the margins."""
    x, y = (min(_MARGIN, side // 8) for side in image.size)
    inside = image.crop((x, y, max(x + 1, image.width - x), max(y + 1, image.height - y)))
    counts = np.array(inside.histogram(), np.int64).reshape(3, 256)
    total = int(counts[0].sum())
    near = [
        int(channel[max(0, middle - _SAME) : middle + _SAME + 1].sum())
        for channel, middle in ((c, int(np.searchsorted(c.cumsum(), total // 2))) for c in counts)
    ]
    return 100_000 * min(near) // total


def _stats(image: Image.Image) -> list[int]:
    """Return the numbers of `pixd.training.dataset.near_duplicates.STATS`."""
    luma = np.asarray(image.convert("L"), np.int16)
    red, green, blue = (np.asarray(channel, np.int16) for channel in image.split())
    steps = np.zeros_like(luma)
    steps[:, 1:] += np.abs(np.diff(luma, axis=1))
    steps[1:] += np.abs(np.diff(luma, axis=0))
    counts = np.bincount(((red >> 4) << 8 | (green >> 4) << 4 | blue >> 4).ravel())
    shares = counts[counts > 0] / luma.size
    largest = np.maximum(np.maximum(red, green), blue)
    smallest = np.minimum(np.minimum(red, green), blue)
    values = (
        -100 * (shares * np.log2(shares)).sum(),
        10 * steps.mean(),
        1000 * (steps <= _FLAT).mean(),
        (largest - smallest).mean(),
        luma.mean(),
        luma.std(),
        red.mean(),
        green.mean(),
        blue.mean(),
    )
    return [round(float(value)) for value in values]
