"""Geometry of the model's square: a picture into it and back.

Promises that `from_model` undoes what `to_model` does.

Leaves to others: decoding (`pixd.images.decode`), which files make a pair
(`pixd.images.pair_files`), and pictures larger than one square (`pixd.images.tiles`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pixd.images import lab

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pixd.images.picture import Picture

MOST_CHOSEN: Final = 64
"""More different colours than this are no palette that somebody chose."""
_BLENDED: Final = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class Framing:
    """How a picture was brought to the model's square, so that it can be undone.

    Attributes:
        width: of the source, pixels.
        height: of the source, pixels.
        size: side of the model's square, pixels.
        fit: "pad", "crop" or "stretch"; "tile" where only a middle square was cut.
        box: left, top, right, bottom of the picture inside the square (for "pad"), or of the
            square inside the source (for "crop"), pixels.
    """

    width: int
    height: int
    size: int
    fit: str
    box: tuple[int, int, int, int]


def to_model(
    image: Image.Image, size: int, fit: str, *, keeps_colours: bool = False
) -> tuple[NDArray[np.uint8], Framing]:
    """Bring a picture to the model's square.

    "pad" keeps the shape and repeats the edge pixels around it (a flat colour would be an edge
    that the network has to explain); "crop" takes the middle square; "stretch" ignores the shape.
    "tile" takes the one square that a picture is judged by: its middle at its own scale, with the
    edge pixels repeated where it is smaller (whole pictures: `pixd.images.tiles`).

    Args:
        image: of mode RGB.
        size: side of the square, pixels.
        fit: as above.
        keeps_colours: whether one of few colours, such as a label map, is scaled without blending,
            for people who draw on. Models learn from and translate blended ones.

    Returns:
        uint8 (size, size, 3), RGB, and the framing.
    """
    width, height = image.size
    how = _BLENDED
    if keeps_colours and image.getcolors(MOST_CHOSEN) is not None:
        how = Image.Resampling.NEAREST
    if fit == "stretch":
        return array_of(resized(image, size, size, how)), Framing(
            width, height, size, fit, (0, 0, size, size)
        )
    if fit == "crop":
        box = _middle_square(width, height)
        return array_of(resized(image.crop(box), size, size, how)), Framing(
            width, height, size, fit, box
        )
    if fit == "tile":
        whole = edge_padded(array_of(image), size)
        top, left = (whole.shape[0] - size) // 2, (whole.shape[1] - size) // 2
        box = (left, top, left + size, top + size)
        return whole[top : box[3], left : box[2]], Framing(width, height, size, fit, box)
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    box = (left, top, left + inner[0], top + inner[1])
    array = np.pad(
        array_of(resized(image, *inner, how)),
        ((top, size - box[3]), (left, size - box[2]), (0, 0)),
        mode="edge",
    )
    return array, Framing(width, height, size, fit, box)


def edge_padded(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Repeat the edge pixels on all sides until a picture is as large as the model's square.

    Args:
        pixels: (height, width, channels) uint8.
        size: side of the square, pixels. A side that is already as long stays as it is.
    """
    missing = [max(0, size - side) for side in pixels.shape[:2]]
    if not any(missing):
        return pixels
    around = [(some // 2, some - some // 2) for some in missing]
    return np.pad(pixels, (*around, (0, 0)), mode="edge")


def from_model(array: NDArray[np.uint8], framing: Framing, output_size: str) -> Image.Image:
    """Turn the model's square into the output picture.

    Args:
        array: uint8 (size, size, 3), RGB.
        framing: what `to_model` gave for the input.
        output_size: "model" gives the square as it is; "source" the source's size and shape
            (for "crop": the size of the square that was cut out of it).
    """
    image = Image.fromarray(array)
    if output_size == "model":
        return image
    if framing.fit == "pad":
        image = image.crop(framing.box)
    if framing.fit == "crop":
        side = framing.box[2] - framing.box[0]
        return resized(image, side, side)
    return resized(image, framing.width, framing.height)


def lightness(image: Image.Image) -> NDArray[np.uint8]:
    """Return how light each pixel of a picture is, (height, width) uint8, see `pixd.images.lab`."""
    return lab.grey_of(array_of(image))


def recoloured(picture: Image.Image, grey: NDArray[np.uint8], framing: Framing) -> Image.Image:
    """Lay the colours of an output over the lightness of its whole source.

    Args:
        picture: from `from_model`, of the source's size.
        grey: (height, width) uint8, `pixd.images.lab.grey_of` of the source.
        framing: of the source.
    """
    if framing.fit == "crop":
        left, top, right, bottom = framing.box
        grey = grey[top:bottom, left:right]
    return Image.fromarray(lab.with_lightness(array_of(picture), grey))


def alpha_of(picture: Picture, size: int | None, fit: str) -> NDArray[np.uint8]:
    """Return how opaque each pixel of an output is, uint8, two axes.

    Args:
        picture: the source.
        size: side of the model's square where the output is that; None for the source's size.
        fit: as for `to_model`. "crop" leaves out what it cuts away at the source's size too.
    """
    alpha = picture.alpha()
    if size is not None:
        return to_model(Image.merge("RGB", (alpha, alpha, alpha)), size, fit)[0][..., 0]
    return array_of(alpha.crop(_middle_square(*alpha.size)) if fit == "crop" else alpha)


def with_alpha(picture: Image.Image, alpha: NDArray[np.uint8]) -> Image.Image:
    """Return a picture with transparency: RGBA, the colours as they were."""
    made = picture.copy()
    made.putalpha(Image.fromarray(alpha))
    return made


def _middle_square(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def resized(
    image: Image.Image, width: int, height: int, how: Image.Resampling = _BLENDED
) -> Image.Image:
    """Scale, by bicubic interpolation; a picture that already has the size is returned as it is."""
    if image.size == (width, height):
        return image
    return image.resize((width, height), how)


def array_of(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels, (height, width, 3) uint8."""
    return np.asarray(image, dtype=np.uint8)
