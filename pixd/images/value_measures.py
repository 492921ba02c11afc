"""Measures which values the samples of a file have: `pixd.images.value_use` says what they mean.

This runs in the children that decode. It reads the pixels as the file has them, so before they are
scaled, converted to sRGB or laid over white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pixd.images import samples
from pixd.images.value_use import EIGHT, VOID, ValueUse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from pixd.images.samples import Layout

_LOOKED_AT: Final = 1_000_000
"""Pixels. Of a larger picture only some rows are looked at where their neighbours count."""
_COLOURS: Final = 3
_SHADED: Final = 128  # greys; a picture with more of them shows no areas of one value
_GLANCE_ROWS: Final = 16
"""Most pictures have colours, and these rows show it."""


def of_image(image: Image.Image, low: Image.Image | None, layout: Layout) -> ValueUse | None:
    """Measure a picture, in the mode of its file.

    Args:
        image: the picture, or its high bytes.
        low: its low bytes; None if it has none.
        layout: of the file.

    Returns:
        None where its numbers are not those of grey or RGB.
    """
    values = samples.values_of(image, low, layout)
    if values is not None and image.mode != "CMYK":
        return of_array(values, layout.maximum.bit_length())
    if image.mode in {"F", "I", "CMYK"}:
        return None
    if image.mode in {"L", "LA", "La"}:
        return _of_grey_image(image.getchannel(0))
    # A palette counts as the colours that people see: a coloured label map is as good as any.
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    step = max(1, rgb.height // _GLANCE_ROWS)
    if any(grey_of(_row(rgb, top)) is None for top in range(0, rgb.height, step)):
        lowest, highest = zip(*rgb.getextrema(), strict=True)
        return ValueUse(EIGHT, min(lowest), max(highest))
    return _of_colours(np.asarray(rgb), EIGHT)


def _row(image: Image.Image, top: int) -> NDArray[np.generic]:
    return np.asarray(image.crop((0, top, image.width, top + 1)))


def _of_grey_image(image: Image.Image) -> ValueUse:
    found = _found_in(image)
    if len(found) <= _SHADED:
        return _of_grey(np.asarray(image), EIGHT)
    return ValueUse(EIGHT, found[0], found[-1], used=sum(1 << value for value in found))


def _found_in(image: Image.Image) -> list[int]:
    """Return the values that occur, in order; many times as fast as an array."""
    return [value for value, count in enumerate(image.histogram()) if count]


def of_array(values: NDArray[np.generic], bits: int) -> ValueUse:
    """Measure samples.

    Args:
        values: (height, width), or (height, width, channels): grey, or RGB, and then perhaps alpha.
        bits: a sample in the file.
    """
    if values.ndim == 2:  # noqa: PLR2004
        return _of_grey(values, bits)
    channels = values.shape[2]
    return (
        _of_grey(values[..., 0], bits)
        if channels < _COLOURS
        else _of_colours(values[..., :3], bits)
    )


def _of_colours(values: NDArray[np.generic], bits: int) -> ValueUse:
    if (grey := grey_of(values)) is not None:
        return _of_grey(grey, bits)
    return ValueUse(bits, int(values.min()), int(values.max()))


def grey_of(values: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Return the one channel of a picture that is grey, or has only one channel that is not 0.

    Some programs write class ids into the red channel alone, such as the simulator CARLA.

    Args:
        values: (height, width, 3).

    Returns:
        (height, width); None where it has colours.
    """
    for step in (max(1, len(values) // _GLANCE_ROWS), 1):
        rows = values[::step]
        is_grey = ((rows[..., 0] == rows[..., 1]) & (rows[..., 1] == rows[..., 2])).all()
        used = np.flatnonzero(rows.max((0, 1)))
        if not is_grey and len(used) > 1:
            return None
    return values[..., 0 if is_grey else used[0]]


def _of_grey(values: NDArray[np.generic], bits: int) -> ValueUse:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > VOID:
        return ValueUse(bits, low, high)
    small = values.astype(np.uint8, copy=False)
    counts = np.bincount(small.ravel(), minlength=VOID + 1)
    used = sum(1 << int(value) for value in np.flatnonzero(counts))
    if used.bit_count() > _SHADED:
        return ValueUse(bits, low, high, used=used)
    common = np.argsort(counts)[-2:]
    return ValueUse(bits, low, high, _speckle(small, common), used)


def _speckle(values: NDArray[np.uint8], common: NDArray[np.intp]) -> int:
    height, width = values.shape
    rows = values[:: max(1, height * width // _LOOKED_AT)]
    rest = (rows != common[0]) & (rows != common[1])
    differs = np.ones((len(rows), width + 1), bool)  # at each border between two pixels
    differs[:, 1:-1] = rows[:, 1:] != rows[:, :-1]
    alone = rest & differs[:, :-1] & differs[:, 1:]
    count = int(rest.sum())
    return 1000 * int(alone.sum()) // count if count else 0
