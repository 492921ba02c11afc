"""The input halves that pixd makes itself, from single target pictures.

Each maker is a pure function of pixels: the same picture gives the same input. In training it
makes the input half from the target. At translation it is applied to the dropped picture, so
that the network gets what it was trained on. The exception is `edges`: what is dropped there is a
drawing already, and is taken as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pixd.config.pair_kinds import BLANK_SHARE, KINDS
from pixd.images import edges, lab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

WHITE: Final = 255


def grey(pixels: Pixels) -> Pixels:
    """Return a picture's luma in all three channels; greys stay as they are.

    Args:
        pixels: (height, width, 3) uint8, RGB.

    Source: ITU-R BT.601-7, section 2.5.1, in 16-bit integers as Pillow computes mode L.
    """
    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return _three_times(luma.astype(np.uint8))


def with_blank_centre(pixels: Pixels) -> Pixels:
    """Return a picture with a white rectangle in its middle, `BLANK_SHARE` of each side.

    Args:
        pixels: (height, width, 3) uint8, RGB.
    """
    made = pixels.copy()
    height, width = (max(1, round(side * BLANK_SHARE)) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    made[top : top + height, left : left + width] = WHITE
    return made


def lightness(pixels: Pixels) -> Pixels:
    """Return the grey that is as light as each pixel, in all three channels.

    Not the luma of `grey`: this keeps L* of L*a*b*, so that putting a* and b* back on it gives
    the picture that it was made from.

    Args:
        pixels: (height, width, 3) uint8, RGB.
    """
    return _three_times(lab.grey_of(pixels))


def _three_times(plane: Pixels) -> Pixels:
    return np.repeat(plane[..., None], 3, axis=2)


_OF_TARGETS: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "edges": edges.outlines,
    "grayscale": grey,
    "blank": with_blank_centre,
    "colorization": lightness,
}


def require(pairs: str) -> None:
    """Make sure that the inputs of `pairs` can be made here.

    Raises:
        EdgesMissingError: it is "edges", and OpenCV is not installed.
    """
    if KINDS[pairs].needs_opencv:
        edges.require()


def input_of(target: Pixels, pairs: str) -> Pixels:
    """Make the input half of a training pair.

    Args:
        target: (size, size, 3) uint8, RGB.
        pairs: one whose input is made (`pixd.config.pair_kinds`).

    Returns:
        The same shape.

    Raises:
        EdgesMissingError: see `require`.
    """
    return _OF_TARGETS[pairs](target)


def input_after_jitter(input_image: Pixels, target: Pixels, pairs: str) -> Pixels:
    """Return the input half of a jittered pair, as it would be at translation.

    Other inputs are cropped with the target, but the blank stays in the middle of what the
    network sees. Cropped too, it would be larger and in another place than at translation.

    Args:
        input_image: (size, size, 3) uint8, cut out of a made input.
        target: the same shape, cut out of the target.
        pairs: the setting.
    """
    return _OF_TARGETS[pairs](target) if KINDS[pairs].hides_middle else input_image


def input_for_translation(pixels: Pixels, pairs: str | None) -> Pixels:
    """Make the network's input from a picture that was dropped.

    Args:
        pixels: (size, size, 3) uint8, RGB.
        pairs: of the translate recipe; None where what is dropped is taken as it is.
    """
    if pairs is None or not KINDS[pairs].takes_pictures:
        return pixels
    return _OF_TARGETS[pairs](pixels)
