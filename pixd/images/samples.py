"""What the numbers of a decoded picture mean, and how more than 8 bits become 8.

Pillow keeps 16-bit colour as 8 bits, forgets which number is white, and compares a transparent
colour of 16 bits with 8-bit ones. So `Layout` carries what it forgets, and `as_8_bits` is the one
place where numbers of more than 8 bits are scaled: 0 becomes 0 and white 255, and what lies
between is rounded to the nearest level, in grey and in colour alike.

Leaves to others: which layout a file has (`pixd.images.tiff`, `pixd.images.png_chunks`), and all
that comes after (`pixd.images.picture`).
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

FULL: Final = 65535
"""White, where all 16 bits are used."""
_TOE: Final = 0.0031308  # below, the curve of sRGB is a line


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the numbers of a picture, beyond what Pillow's mode says.

    Attributes:
        maximum: what stands for white, in numbers of more than 8 bits; 1 to 65535. Alpha always
            uses all 16 bits.
        white_is_zero: whether grey of more than 8 bits has 0 for white.
        grey_in_bytes: whether the four channels are the bytes of grey and alpha, 16 bits each,
            high bytes first.
        premultiplied: whether colours of 16 bits are multiplied by their alpha.
        transparent: the grey or colour of 16 bits that is transparent; () if there is none.
        no_alpha: whether the fourth channel is something else than transparency.
        linear: whether numbers of 16 bits grow as the light does, and not as sRGB.
        rawmode: Pillow's raw mode by which the high bytes of 16-bit colour are read; else "".
    """

    maximum: int = FULL
    white_is_zero: bool = False
    grey_in_bytes: bool = False
    premultiplied: bool = False
    transparent: tuple[int, ...] = ()
    no_alpha: bool = False
    linear: bool = False
    rawmode: str = ""


def to_8_bits(
    values: npt.NDArray[np.unsignedinteger], maximum: int = FULL, *, linear: bool = False
) -> npt.NDArray[np.uint8]:
    """Scale numbers of up to 16 bits to 8.

    Args:
        values: of any shape, 0 to 65535.
        maximum: the number that stands for white, 1 to 65535. Larger numbers become white.
        linear: whether they grow as the light does. They become sRGB.

    Returns:
        The same shape, 0 to 255, rounded to the nearest.
    """
    scaled: npt.NDArray[np.uint8] = _table(maximum, linear)[values]
    return scaled


@functools.lru_cache(maxsize=32)
def _table(maximum: int, linear: bool) -> npt.NDArray[np.uint8]:  # noqa: FBT001
    values = np.minimum(np.arange(FULL + 1, dtype=np.int64), maximum)
    if linear:  # IEC 61966-2-1
        light = values / maximum
        curve = np.where(light <= _TOE, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        levels = np.rint(255 * curve)
    else:
        levels = (values * 255 + maximum // 2) // maximum
    table: npt.NDArray[np.uint8] = levels.astype(np.uint8)
    return table


def values_of(
    image: Image.Image, low: Image.Image | None, layout: Layout
) -> npt.NDArray[np.uint16] | None:
    """Return the numbers of a picture of more than 8 bits, as the file has them.

    Args:
        image: the picture, or its high bytes.
        low: its low bytes, in the same mode and size; None if it has none.
        layout: of the file.

    Returns:
        (height, width) for grey, (height, width, channels) for grey with alpha and for colour;
        None where the picture has 8 bits.
    """
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16, copy=False)
    array = np.asarray(image) if layout.grey_in_bytes or low is not None else None
    if array is None:
        return None
    if layout.grey_in_bytes:
        high, rest = array[..., ::2], array[..., 1::2]
    else:
        high, rest = array, np.asarray(low)
    values: npt.NDArray[np.uint16] = high.astype(np.uint16) << 8 | rest
    return values


def as_8_bits(
    image: Image.Image, low: Image.Image | None, layout: Layout, *, keep_inks: bool = True
) -> Image.Image:
    """Return a picture with 8 bits a channel, and with alpha if it has transparency.

    Args:
        image: the picture, or its high bytes. One of 8 bits is returned as it is.
        low: its low bytes; None if it has none.
        layout: of the file.
        keep_inks: whether CMYK of 16 bits stays CMYK, for its profile. Else it becomes RGB, which
            is exact only before it is scaled.
    """
    values = values_of(image, low, layout)
    if values is None:
        mode = "RGB" if layout.no_alpha else {"La": "LA"}.get(image.mode, image.mode)
        return image.convert(mode) if mode != image.mode else image

    if layout.grey_in_bytes or image.mode == "RGBA":
        return _with_its_alpha(values, layout)
    if image.mode == "CMYK":
        if not keep_inks:
            return Image.fromarray(_scaled(_without_inks(values), layout))
        return Image.frombytes("CMYK", image.size, _scaled(values, layout).tobytes())
    eight = _scaled(values, layout)
    if layout.white_is_zero:
        eight = 255 - eight
    if not layout.transparent:
        return Image.fromarray(eight)
    same = values == np.array(layout.transparent, np.uint16)
    shown = ~(same.all(-1) if values.ndim > 2 else same)  # noqa: PLR2004 - colour
    return _with_alpha(eight, shown.astype(np.uint8) * np.uint8(255))


def _scaled(values: npt.NDArray[np.uint16], layout: Layout) -> npt.NDArray[np.uint8]:
    return to_8_bits(values, layout.maximum, linear=layout.linear)


def _with_its_alpha(values: npt.NDArray[np.uint16], layout: Layout) -> Image.Image:
    colours, alpha = values[..., :-1], values[..., -1]
    if layout.grey_in_bytes:
        return _with_alpha(_scaled(colours[..., 0], layout), to_8_bits(alpha))
    if layout.no_alpha:
        return Image.fromarray(_scaled(colours, layout))
    if layout.premultiplied:
        colours = _divided(colours, alpha[..., None])
    return _with_alpha(_scaled(colours, layout), to_8_bits(alpha))


def _without_inks(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return RGB for CMYK without a profile, as Pillow does it with 8 bits."""
    left = FULL - values.astype(np.float32)
    return np.rint(left[..., :3] * left[..., 3:] / FULL).astype(np.uint16)


def _divided(
    colours: npt.NDArray[np.uint16], alpha: npt.NDArray[np.uint16]
) -> npt.NDArray[np.uint16]:
    divided = colours.astype(np.float32) * FULL / np.maximum(alpha, 1)
    return np.minimum(np.rint(divided), FULL).astype(np.uint16)


def _with_alpha(colours: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(colours).convert("LA" if colours.ndim == 2 else "RGBA")  # noqa: PLR2004
    image.putalpha(Image.fromarray(alpha))
    return image


# -- the low bytes, which Pillow leaves out -------------------------------------------------------

_OTHER_END: Final = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def low_rawmode(rawmode: str) -> str:
    """Return Pillow's raw mode that reads the low bytes of 16-bit colour; "" for other pictures.

    Pillow takes the first or the second byte of two, as the order of the bytes says. With the
    other order it takes the low ones.

    Args:
        rawmode: that reads the high bytes, such as "RGB;16B".
    """
    colours, _, order = rawmode.partition(";16")
    return f"{colours};16{_OTHER_END[order]}" if order in _OTHER_END and colours != "I" else ""


def rawmode_of(image: Image.Image) -> str:
    """Return the raw mode in which an opened picture will be read; "" if it has several or none."""
    found = {_rawmode(tile.args) for tile in getattr(image, "tile", ())}
    return found.pop() if len(found) == 1 else ""


def _rawmode(args: Any) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def read_as(image: Any, rawmode: str) -> None:
    """Let an opened picture, which is not loaded yet, be read in another raw mode."""
    image.tile = [
        tile._replace(args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode)
        for tile in image.tile
    ]
