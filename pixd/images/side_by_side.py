"""Two pictures in one file, side by side: how it is cut, and when it is no such pair.

Twice as wide as high means two squares, and is a pair without a further look. Any other shape
is a pair if it can be read in one way only: the halves may be of any shape, but one picture, three
pictures or a strip between the two must not be cut in half without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

ASPECT_TOLERANCE: Final = 0.05
_NO_SINGLE_PICTURE: Final = 2.1
"""Width by height. Cameras and screens make no picture this wide, so its halves are two pictures."""
_PANELS: Final = 3
_BORDER: Final = 2.0
"""Two columns are of two pictures if they differ by this many times what neighbours usually do."""
_USUAL: Final = 90  # percentile of the differences between neighbours
_THIRD: Final = 1.3
"""A border at a third may be weaker than one in the middle: it is compared with the middle too."""
_OUTWEIGHS: Final = 2.5
"""Of 600 pairs made of photos none shows such thirds; of 300 triples of photos 97 % do."""
_BORDER_LEVELS: Final = 4.0  # and by at least so much, mean over the column
_NEAR: Final = 2  # px by which two squares and a strip may miss the width
_PLAIN_LEVELS: Final = 3  # within a column of one colour


def split(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Cut a side-by-side pair into its left and right half, of equal size.

    Of an odd width, the column in the middle is in neither.
    """
    width, height = image.size
    half = width // 2
    return image.crop((0, 0, half, height)), image.crop((width - half, 0, width, height))


def check(image: Image.Image) -> None:
    """Check that a picture is two pictures side by side.

    Args:
        image: mode RGB.

    Raises:
        ImageRejectedError: it is not, or it could be something else; the message says what is seen.
    """
    width, height = image.size
    shape = f"this one is {width} x {height}"
    if width >= 2 and _is_near(width, 2 * height):  # noqa: PLR2004
        return
    if _is_near(height, 2 * width):
        raise ImageRejectedError(
            f"two pictures one above the other? A pair stands side by side, A left, B right; {shape}"
        )
    if width <= height:
        raise ImageRejectedError(f"a side-by-side pair is wider than high; {shape}")
    luma = np.asarray(image.convert("L"), np.int16)
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    if _is_near(width, _PANELS * height) and _is_three(steps):
        raise ImageRejectedError(f"three pictures side by side? A pair is two; {shape}")
    strip = _strip(luma)
    if strip and abs(width - strip - 2 * height) <= _NEAR:
        raise ImageRejectedError(
            f"a strip of {strip} px between the two pictures: cut it out; {shape}"
        )
    if width / height < _NO_SINGLE_PICTURE and not _has_border(steps, width // 2):
        raise ImageRejectedError(
            "a side-by-side pair must be twice as wide as high, or show the border of two pictures"
            f" in its middle; {shape}"
        )


def _is_near(length: int, wanted: int) -> bool:
    return abs(length / wanted - 1) <= ASPECT_TOLERANCE


def _has_border(steps: NDArray[np.floating], at: int) -> bool:
    """Tell whether two pictures meet at a column.

    Args:
        steps: mean difference of each column to the next, levels.
        at: the first column of the right one, or the column between the two.
    """
    if len(steps) <= at:
        return False
    usual = float(np.percentile(steps, _USUAL))
    return _step(steps, at) >= max(_BORDER_LEVELS, _BORDER * usual)


def _is_three(steps: NDArray[np.floating]) -> bool:
    """Tell whether a picture three times as wide as high is cut at its thirds, and not in its middle.

    Halves with the shape of a photo have this shape too. So the columns are compared with one another:
    grain and many edges hide a border among the usual steps, but not from the weaker one beside it.
    """
    width = len(steps) + 1
    thirds = [_step(steps, width * number // _PANELS) for number in range(1, _PANELS)]
    middle = _step(steps, width // 2)
    usual = float(np.percentile(steps, _USUAL))
    if max(thirds) < max(_BORDER_LEVELS, _THIRD * usual):
        return False
    return min(thirds) > max(middle, usual) or (
        middle < usual and max(thirds) > _OUTWEIGHS * middle
    )


def _step(steps: NDArray[np.floating], at: int) -> float:
    return float(steps[at - 1 : at + 1].max())


def _strip(luma: NDArray[np.int16]) -> int:
    """Return how many columns around the middle are of one colour, the same in all; 0 for none."""
    middle = luma.shape[1] // 2
    colour = int(luma[:, middle].mean())
    plain = np.abs(luma - colour).max(axis=0) <= _PLAIN_LEVELS
    if not plain[middle]:
        return 0
    left = int(np.argmin(plain[middle::-1])) or middle + 1
    right = int(np.argmin(plain[middle:])) or luma.shape[1] - middle
    return left + right - 1
