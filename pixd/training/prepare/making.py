"""Makes the pictures of `pixd prepare` from the pixels of their sources.

A picture is fitted to a square exactly as in training. So training does not change a prepared
picture of the model's size again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pixd.images import edges, input_makers, label_colours, palette
from pixd.images.value_use import MOST_CLASSES, MOST_SPECKLE
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pixd.images.picture import Picture
    from pixd.training.prepare.recipe import Recipe

SHAPE_TOLERANCE = 0.05
"""The shapes of two halves may differ by this share, which is one pixel of rounding in small ones."""


def made(pictures: Sequence[Image.Image], recipe: Recipe) -> Image.Image:
    """Make one picture by a recipe.

    Args:
        pictures: RGB; the one source, or for `combine` the input and the target.
        recipe: any but `split` and `colour-labels`.

    Raises:
        ImageRejectedError: the two are of different shapes.
        EdgesMissingError: outlines are wanted, and OpenCV is not installed.
    """
    if recipe.op == "combine":
        return beside(*pairable(pictures[0], pictures[1], recipe))
    target = fitted(pictures[0], recipe.size, recipe.fit)
    if recipe.op == "resize":
        return target
    pixels: NDArray[np.uint8] = np.asarray(target)
    match recipe.op:
        case "edges":
            drawn = edges.outlines(pixels, recipe.strength)
        case "grayscale":
            drawn = input_makers.grey(pixels)
        case _:
            drawn = input_makers.with_blank_centre(pixels)
    input_image = Image.fromarray(drawn)
    return beside(input_image, target) if recipe.is_pair else input_image


def labels_coloured(picture: Picture, recipe: Recipe) -> Image.Image:
    """Give each class id of a picture, or of one half of it, its colour.

    Args:
        picture: as its file has it.
        recipe: of `colour-labels`.

    Raises:
        ImageRejectedError: it shows no class ids, or the palette lacks a colour.
    """
    width, height = picture.size
    box = (0, 0, width, height)
    if recipe.half:
        half = width // 2
        box = (0, 0, half, height) if recipe.half == "left" else (width - half, 0, width, height)
    values = picture.values(box)
    if values and values.different > MOST_CLASSES and values.speckle > MOST_SPECKLE:
        raise ImageRejectedError(f"it is shaded: {values.different} greys, which are no class ids")
    ids = np.asarray(picture.class_ids(box))
    made = label_colours.coloured(ids, palette.read_palette(recipe.palette))
    if not recipe.half:
        return made
    whole = picture.rgb()
    whole.paste(made, box[:2])
    return whole


def pairable(a: Image.Image, b: Image.Image, recipe: Recipe) -> tuple[Image.Image, Image.Image]:
    """Bring two pictures to one size, so that each place of A is at the same place in B.

    B is laid over A before both are fitted. So a few pixels more or less in B shift nothing.

    Raises:
        ImageRejectedError: they are of different shapes, and `fit` is not "stretch".
    """
    shapes = [picture.width / picture.height for picture in (a, b)]
    if recipe.fit != "stretch" and abs(shapes[0] / shapes[1] - 1) > SHAPE_TOLERANCE:
        raise ImageRejectedError(
            f"{a.width} x {a.height} beside {b.width} x {b.height}: their shapes differ, so they do"
            " not match; crop one, or say --fit stretch"
        )
    return (
        fitted(a, recipe.size, recipe.fit),
        fitted(b, recipe.size, recipe.fit, shape=a.size),
    )


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Put two pictures of one height side by side."""
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def fitted(
    image: Image.Image,
    size: tuple[int, int] | None,
    fit: str,
    *,
    shape: tuple[int, int] | None = None,
) -> Image.Image:
    """Bring a picture to a size.

    Args:
        image: mode RGB.
        size: (width, height), pixels; None leaves the picture as it is.
        fit: "pad" keeps all of it and repeats the edge pixels around it, "crop" takes the middle,
            "stretch" ignores its shape.
        shape: (width, height) of the picture that this one is laid over; its own if None.
    """
    if size is None:
        return image
    if fit == "stretch":
        return _resized(image, size)
    width, height = shape or image.size
    if fit == "crop":
        return _resized(_middle(image, _cut(width, height, size), (width, height)), size)
    scale = min(size[0] / width, size[1] / height)
    inner = (
        min(size[0], max(1, round(width * scale))),
        min(size[1], max(1, round(height * scale))),
    )
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    around = ((top, size[1] - inner[1] - top), (left, size[0] - inner[0] - left), (0, 0))
    return Image.fromarray(np.pad(np.asarray(_resized(image, inner)), around, mode="edge"))


def _cut(width: int, height: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the largest box of the shape of `size` in the middle of a picture."""
    if width * size[1] > height * size[0]:
        wide, high = max(1, round(height * size[0] / size[1])), height
    else:
        wide, high = width, max(1, round(width * size[1] / size[0]))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def _middle(
    image: Image.Image, box: tuple[int, int, int, int], shape: tuple[int, int]
) -> Image.Image:
    """Cut a box out of a picture that is laid over a picture of another size."""
    across, down = image.width / shape[0], image.height / shape[1]
    left, right = round(box[0] * across), round(box[2] * across)
    top, bottom = round(box[1] * down), round(box[3] * down)
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
