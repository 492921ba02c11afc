"""A decoded picture as people see it: upright, 8-bit sRGB, transparency over white.

The pixels stay in the mode of the file and are converted when they are read, so that the largest
picture is in memory only once. Opening files is left to `pixd.images.decode`.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

from pixd.images import colour_space, label_colours, samples, value_measures, value_use
from pixd.images.palette import usual_palette
from pixd.images.samples import Layout
from pixd.images.value_use import WIDE
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.images.value_use import ValueUse

BAND_PIXELS = 8_000_000
"""A larger picture is converted in bands of this many pixels, because each step makes a copy."""
TOO_MUCH_MEMORY = "decoding it needs more memory than is allowed"

_PLAIN = Layout()


class Picture:
    """A decoded picture as people see it: upright, and 8-bit sRGB wherever it is read.

    It keeps the pixels once, in the mode of the file, and converts only what is read. So a
    picture of a hundred megapixels can be read from top to bottom without a second copy of it.
    """

    def __init__(
        self,
        image: Image.Image,
        orientation: int,
        profile: bytes | None,
        layout: Layout = _PLAIN,
        low: Image.Image | None = None,
        *,
        bits: int = WIDE,
        are_ids: bool = False,
    ) -> None:
        """Show a loaded picture with its EXIF orientation and ICC profile applied.

        Args:
            image: as Pillow decodes it; of 16-bit colour, the high bytes.
            orientation: of EXIF, 1 to 8.
            profile: of ICC, if the file has one.
            layout: what the numbers mean.
            low: of 16-bit colour, the low bytes.
            bits: how many of 16 bits are used: the largest number that they hold is white.
            are_ids: whether the values are class ids, which are shown in colours of their own.
        """
        self._image, self._orientation, self._profile = image, orientation, profile
        self._layout, self._low, self._are_ids = layout, low, are_ids
        is_full = layout.maximum == samples.FULL
        self._shown = replace(layout, maximum=(1 << bits) - 1) if is_full else layout
        width, height = image.size
        self.size = (width, height) if orientation < _FIRST_ON_ITS_SIDE else (height, width)

    @property
    def has_alpha(self) -> bool:
        """Tell whether the file has transparency, even if every pixel is opaque."""
        if self._layout.no_alpha:
            return False
        return _has_alpha(self._image) or bool(self._layout.transparent)

    def rgb(self) -> Image.Image:
        """Return the whole, transparency laid over white.

        Raises:
            ImageRejectedError: its values are not colours, or it takes too much memory.
        """
        return self._whole("RGB")

    def alpha(self) -> Image.Image:
        """Return how opaque each pixel is, mode L; 255 all over where the file does not say.

        Raises:
            ImageRejectedError: it takes too much memory.
        """
        return self._whole("L")

    def rows(self, top: int, bottom: int, mode: str = "RGB") -> Image.Image:
        """Return some rows of the upright picture.

        Args:
            top: the first.
            bottom: the one after the last.
            mode: "RGB", over white; "L", the alpha; or "RGBA", both, the colours over white.

        Raises:
            ImageRejectedError: see `rgb`.
        """
        with refusing():
            box = self._stored((0, top, self.size[0], bottom))
            cut = self._cut(box)
            image = samples.as_8_bits(*cut, self._shown, keep_inks=bool(self._profile))
            if mode == "L":
                return orientation_applied(_alpha_of(image), self._orientation)
            if self._are_ids:
                ids = label_colours.ids_of(*cut, self._layout)
                rgb = label_colours.coloured(ids, usual_palette())
            else:
                rgb = _to_srgb(image, self._profile)
            rgb = orientation_applied(rgb, self._orientation)
            if mode == "RGBA":
                rgb.putalpha(orientation_applied(_alpha_of(image), self._orientation))
            return rgb

    def values(self, box: tuple[int, int, int, int] | None = None) -> ValueUse | None:
        """Return which values the file has for a part of the upright picture, or for the whole.

        Args:
            box: left, top, right, bottom, pixels; None is the whole.

        Returns:
            None where they are not whole numbers.

        Raises:
            ImageRejectedError: it takes too much memory.
        """
        left, top, right, bottom = box or (0, 0, *self.size)
        band = max(1, BAND_PIXELS // (right - left))
        found: list[ValueUse] = []
        with refusing():
            for start in range(top, bottom, band):
                part = self._stored((left, start, right, min(start + band, bottom)))
                some = value_measures.of_image(*self._cut(part), self._layout)
                if some is None:
                    return None
                found.append(some)
                if not (some.used or some.is_wide or some.is_dark(some.scale)):
                    break  # the rest can change nothing
        return value_use.union(found)

    def class_ids(self, box: tuple[int, int, int, int] | None = None) -> Image.Image:
        """Return the class ids of a part of the upright picture, or of the whole, mode L.

        Args:
            box: as for `values`.

        Raises:
            ImageRejectedError: it has colours, or an id above 255, or takes too much memory.
        """
        with refusing():
            image, low = self._cut(self._stored(box or (0, 0, *self.size)))
            if image.mode == "P" and image.size != self._image.size:
                image = image.convert("RGB")  # the other half has its colours in the palette too
            ids = Image.fromarray(label_colours.ids_of(image, low, self._layout))
            return orientation_applied(ids, self._orientation)

    def coloured_ids(self, box: tuple[int, int, int, int]) -> Image.Image | None:
        """Return a part of the upright picture with a colour for each class id, RGB.

        Returns:
            None where it shows no class ids.
        """
        try:
            ids = self.class_ids(box)
        except ImageRejectedError:
            return None
        return label_colours.coloured(np.asarray(ids), usual_palette())

    def _whole(self, mode: str) -> Image.Image:
        width, height = self.size
        band = max(1, BAND_PIXELS // width)
        if band >= height:
            return self.rows(0, height, mode)
        with refusing():
            whole = Image.new(mode, self.size)
        for top in range(0, height, band):
            whole.paste(self.rows(top, min(top + band, height), mode), (0, top))
        return whole

    def _cut(self, box: tuple[int, int, int, int]) -> tuple[Image.Image, Image.Image | None]:
        """Return a part of the picture of the file, and of its low bytes."""
        # Crop only if that removes something, because a crop is a copy.
        if box == (0, 0, *self._image.size):
            return self._image, self._low
        return self._image.crop(box), None if self._low is None else self._low.crop(box)

    def _stored(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Return where a box of the upright picture lies in the picture of the file."""
        left, top, right, bottom = box
        width, height = self._image.size
        if self._orientation >= _FIRST_ON_ITS_SIDE:
            left, top, right, bottom = top, left, bottom, right
        if self._orientation in _FROM_THE_RIGHT:
            left, right = width - right, width - left
        if self._orientation in _FROM_BELOW:
            top, bottom = height - bottom, height - top
        return left, top, right, bottom


_WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_FIRST_ON_ITS_SIDE = 5  # EXIF orientations 5 to 8 swap width and height
_FROM_THE_RIGHT = {2, 3, 7, 8}
_FROM_BELOW = {3, 4, 6, 7}


def _alpha_of(image: Image.Image) -> Image.Image:
    if _has_alpha(image):
        return image.convert("RGBA").getchannel("A")
    return Image.new("L", image.size, 255)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in _WITH_ALPHA or "transparency" in image.info


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn whatever a decoder raises into a refusal with its reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken EXIF block is no reason to refuse a picture
        try:
            yield
        except ImageRejectedError:
            raise
        except MemoryError:
            raise ImageRejectedError(TOO_MUCH_MEMORY) from None
        # Decoders raise ValueError, SyntaxError, struct.error and more; all mean the same here.
        except Exception as error:
            if "out of memory" in str(error).lower():  # as libavif says it
                raise ImageRejectedError(TOO_MUCH_MEMORY) from None
            raise ImageRejectedError(f"it cannot be decoded: {short(error)}") from error


def short(error: Exception) -> str:
    """Return the first line of a decoder's error message."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_applied(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture upright by its EXIF orientation, 1 to 8."""
    method = _TRANSPOSE.get(orientation)
    return image.transpose(method) if method is not None else image


_SPACE = slice(16, 20)  # where an ICC profile says of which colour space it is


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "F":
        raise ImageRejectedError("its values are floating point, with no defined black and white")
    alpha = None
    if image.mode in {"LA", "La", "PA", "RGBa"} or "transparency" in image.info:
        is_grey = image.mode in {"LA", "L"} and profile and profile[_SPACE] == b"GRAY"
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        # A profile of grey does not fit RGB.
        image = image.getchannel("R") if is_grey else image.convert("RGB")
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    if image.mode in {"1", "P"} or (profile and colour_space.is_made_here(profile)):
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile)
    rgb = image.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        white = Image.new("RGB", rgb.size, (255, 255, 255))
        white.paste(rgb, mask=alpha)
        return white
    return rgb


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # the profile is damaged or does not fit: keep the values
    return converted if converted is not None else image
