"""Class ids of a picture, and the picture in which each has its colour (`pixd.images.palette`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pixd.images import samples
from pixd.images.palette import IDS
from pixd.images.value_measures import grey_of
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pixd.images.samples import Layout

_COLOURS: Final = 3  # channels


def ids_of(image: Image.Image, low: Image.Image | None, layout: Layout) -> NDArray[np.uint8]:
    """Return the class ids of a picture: its grey values, or its places in a palette.

    Args:
        image: the picture in the mode of its file, or its high bytes.
        low: its low bytes; None if it has none.
        layout: of the file.

    Returns:
        (height, width).

    Raises:
        ImageRejectedError: it has colours, or an id above 255.
    """
    values = samples.values_of(image, low, layout)
    if values is None and image.mode in {"1", "L", "P"}:
        return np.asarray(image).astype(np.uint8)
    grey: NDArray[np.generic] | None
    if values is None:
        grey = grey_of(np.asarray(image.convert("RGB")))
    elif values.ndim == 2 or values.shape[2] < _COLOURS:  # noqa: PLR2004
        grey = np.atleast_3d(values)[..., 0]
    else:
        grey = grey_of(values[..., :_COLOURS])
    if grey is None:
        raise ImageRejectedError("it has colours, not class ids: those are greys, or a palette")
    if grey.max() >= IDS:
        raise ImageRejectedError(f"it has the value {grey.max()}: class ids are 0 to {IDS - 1}")
    return grey.astype(np.uint8)


def coloured(ids: NDArray[np.uint8], palette: Mapping[int, str]) -> Image.Image:
    """Return the picture in which each id has its colour.

    Raises:
        ImageRejectedError: an id has none.
    """
    missing = sorted(set(np.unique(ids).tolist()) - palette.keys())
    if missing:
        raise ImageRejectedError(f"the palette has no colour for {missing[0]}")
    table = np.zeros((IDS, 3), np.uint8)
    for number, colour in palette.items():
        table[number] = tuple(bytes.fromhex(colour[1:]))
    return Image.fromarray(table[ids])
