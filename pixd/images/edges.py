"""The outlines of a picture as a drawing: dark thin lines on white.

Only this module imports OpenCV, which is an extra (`pixd[edges]`) and is loaded only in child
processes. Promises: the same picture and the same OpenCV give the same drawing.

Source: Canny 1986, doi:10.1109/TPAMI.1986.4767851 (the detector, by OpenCV).
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.system.errors import PixdError

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

INSTALL: Final = "pip install 'pixd[edges]'"
STRENGTH: Final = 0.5
"""How much is drawn: from 0 (only the most distinct lines) to 1 (faint lines too)."""

# Chosen by eye on photographs of facades and on the demo's, at 256 px.
_LIBRARY_PATH: Final = "LD_LIBRARY_PATH"
_ENLARGEMENT: Final = 2
_SMOOTHED_PX: Final = 9  # window of the smoothing that keeps borders
_SMOOTHED_STEPS: Final = 50  # of 0..255: smaller differences are texture
_BLUR_SHARE: Final = 1.15 / 256  # of the side: the same lines at every size
_SMALLEST_SHARE, _LARGEST_SHARE = 0.03, 0.25  # of the pixels that surely are a border
_FAINTEST: Final = 16.0  # of Sobel's 0..1443: less is noise, whatever the picture
_LOW: Final = 0.38  # of the upper threshold: a weaker border counts where it continues one
_SHORTEST: Final = 0.055  # of the side
_PEN_BLUR_PX: Final = 0.8
_PEN_DARKNESS: Final = 1.25


class EdgesMissingError(PixdError):
    """OpenCV, which finds the outlines, is not installed."""


def is_available() -> bool:
    """Tell whether OpenCV is installed, without loading it."""
    return importlib.util.find_spec("cv2") is not None


def require() -> None:
    """Make sure that outlines can be drawn.

    Raises:
        EdgesMissingError: OpenCV is not installed.
    """
    if not is_available():
        raise EdgesMissingError(
            "`pairs: edges` needs OpenCV, which is not installed",
            advice=f"{INSTALL}, then `pixd retry`",
        )


def outlines(pixels: Pixels, strength: float = STRENGTH) -> Pixels:
    """Draw the outlines of a picture.

    The picture is smoothed, so that texture disappears and borders stay. It is enlarged, so that
    lines get soft edges, like those of a pen. What counts as a border depends on the picture's
    own gradients, so that a dim photograph gets as many lines as a harsh one. Lines too short to
    mean anything are dropped.

    Args:
        pixels: (height, width, 3) uint8, RGB.
        strength: 0..1, see `STRENGTH`.

    Returns:
        The same shape: white, with dark lines about a pixel and a half wide, the same in all
        channels. A picture without borders gives white.

    Raises:
        EdgesMissingError: OpenCV is not installed.
    """
    require()
    cv2 = _opencv()
    cv2.setNumThreads(1)  # the caller has its own threads, one a picture
    height, width = pixels.shape[:2]
    side = min(height, width) * _ENLARGEMENT
    large = cv2.resize(
        cv2.bilateralFilter(np.ascontiguousarray(pixels), _SMOOTHED_PX, _SMOOTHED_STEPS, 3),
        (width * _ENLARGEMENT, height * _ENLARGEMENT),
        interpolation=cv2.INTER_CUBIC,
    )
    large = cv2.GaussianBlur(large, (0, 0), max(side * _BLUR_SHARE, 0.5))
    across, down = cv2.Sobel(large, cv2.CV_16S, 1, 0), cv2.Sobel(large, cv2.CV_16S, 0, 1)
    # Take the channel that changes most: red beside green of one lightness is a border too.
    square = np.square(across, dtype=np.float32) + np.square(down, dtype=np.float32)
    channel = square.argmax(axis=2)[..., None]
    across, down = (np.take_along_axis(slope, channel, 2)[..., 0] for slope in (across, down))
    share = _SMALLEST_SHARE + (_LARGEST_SHARE - _SMALLEST_SHARE) * strength
    high = max(float(np.sqrt(np.quantile(square.max(axis=2), 1 - share))), _FAINTEST)
    lines = cv2.Canny(
        np.ascontiguousarray(across), np.ascontiguousarray(down), _LOW * high, high, L2gradient=True
    )
    lines = _without_specks(lines, _SHORTEST * side)
    drawn = cv2.GaussianBlur(cv2.dilate(lines, np.ones((2, 2), np.uint8)), (0, 0), _PEN_BLUR_PX)
    small = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    ink = np.minimum(small.astype(np.float32) * _PEN_DARKNESS, 255)
    return np.repeat((255 - ink).astype(np.uint8)[..., None], 3, axis=2)


def _opencv() -> Any:
    """Import OpenCV, and leave the environment of this process's children as it was.

    Its loader puts a folder of its own into LD_LIBRARY_PATH, and behind a colon what was there: where
    that was nothing, the children look for libraries in whatever folder they work in.
    Source: cv2/__init__.py of opencv-python-headless 5.0.0.93.
    """
    before = os.environ.get(_LIBRARY_PATH)
    import cv2  # noqa: PLC0415 - an extra, and slow to load

    if before is None:
        os.environ.pop(_LIBRARY_PATH, None)
    else:
        os.environ[_LIBRARY_PATH] = before
    return cv2


def _without_specks(lines: NDArray[Any], shortest_px: float) -> NDArray[np.uint8]:
    """Drop connected lines whose box is shorter than `shortest_px` on both sides."""
    cv2 = _opencv()
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    spans = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    is_kept = spans >= shortest_px
    is_kept[0] = False  # the paper
    return np.where(is_kept[labels], 255, 0).astype(np.uint8)
