"""Decode files safely with Pillow, and normalise the pictures.

Promises: any bytes give either an upright 8-bit sRGB picture, or an `ImageRejectedError` with a
message that a person understands. They never give another exception or a warning, and Pillow
never opens a file by itself.

Leaves to others: which formats there are (`pixd.images.formats`), what a file is that none opens
(`pixd.images.unopened`), time and memory limits on the decoding process
(`pixd.system.children.confinement`), where bytes come from, and how a picture is fitted to the
model (`pixd.images.fitting`, `pixd.images.tiles`).
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError, features

from pixd.images import bmp, formats, heif, heif_boxes, png_chunks, tiff, unopened
from pixd.images.picture import Picture, refusing, short
from pixd.images.samples import Layout, low_rawmode, read_as
from pixd.images.value_use import WIDE
from pixd.system.children import confinement
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from pathlib import Path

_BUILT_IN = tuple(kind for kind in formats.FORMATS if kind.plugin)
for _kind in _BUILT_IN:
    importlib.import_module(f"PIL.{_kind.plugin}")  # which registers it with Pillow

_REGISTER = {"HEIC": heif.register}
"""By the name of a format: what lets Pillow open it, if Pillow cannot open it by itself."""

_BOMB_PIXELS = Image.MAX_IMAGE_PIXELS or 0


def missing_decoders() -> list[str]:
    """Return the formats that this Pillow was built without."""
    return [kind.name for kind in _BUILT_IN if kind.library and not features.check(kind.library)]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits above which a file is refused.

    Attributes:
        max_pixels: width times height, looked up in the header before anything is decoded.
        max_bytes: size of the file.
        advice: what to do about it, for the person whose file is refused.
    """

    max_pixels: int = confinement.MEGAPIXELS * 1_000_000
    max_bytes: int = confinement.FILE_BYTES
    advice: str = ""

    @classmethod
    def of_megapixels(cls, megapixels: int) -> Limits:
        """Return the limits that a value of `max_megapixels` means."""
        most = confinement.file_bytes_of(megapixels)
        return cls(megapixels * 1_000_000, most, "; `max_megapixels` in config.yaml raises it")


DEFAULT_LIMITS = Limits()


def decode_file(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    bits: int = WIDE,
    are_ids: bool = False,
) -> Image.Image:
    """Decode a file as `decode` does, without reading one that is too large.

    Raises:
        ImageRejectedError: it is not a picture that pixd takes.
        OSError: it cannot be read.
    """
    return open_file(path, limits, bits=bits, are_ids=are_ids).rgb()


def open_file(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    bits: int = WIDE,
    are_ids: bool = False,
) -> Picture:
    """Decode a file as `open_picture` does, without reading one that is too large.

    Raises:
        ImageRejectedError: it is not a picture that pixd takes.
        OSError: it cannot be read.
    """
    return open_picture(read_file(path, limits), limits, bits=bits, are_ids=are_ids)


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Decode a picture to upright 8-bit sRGB.

    Orientation and colour profile are applied, 16-bit values scaled, transparency laid over
    white; of an animation, the first frame.

    Args:
        data: the whole file.
        limits: what is too large.

    Returns:
        A picture of mode RGB.

    Raises:
        ImageRejectedError: it is not a picture that pixd takes; the message says why.
    """
    return open_picture(data, limits).rgb()


def open_picture(
    data: bytes,
    limits: Limits = DEFAULT_LIMITS,
    *,
    bits: int = WIDE,
    are_ids: bool = False,
) -> Picture:
    """Decode a picture, and keep the mode of its file.

    Args:
        data: the whole file.
        limits: what is too large.
        bits: how many are used of a file of 16 bits (`pixd.config.value_range`).
        are_ids: whether its values are class ids, which are shown in colours of their own.

    Raises:
        ImageRejectedError: it is not a picture that pixd takes; the message says why.
    """
    _check_bytes(len(data), limits)
    with refusing():
        return _decode(data, limits, bits=bits, are_ids=are_ids)


def read_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes of a file, without reading one that is too large.

    Raises:
        ImageRejectedError: it is too large.
        OSError: it cannot be read.
    """
    _check_bytes(path.stat().st_size, limits)
    return path.read_bytes()


def _check_bytes(size: int, limits: Limits) -> None:
    if not size:
        raise ImageRejectedError("the file is empty")
    if size > limits.max_bytes:
        raise ImageRejectedError(
            f"{size / 2**20:.0f} MiB is over the limit of {limits.max_bytes / 2**20:.0f} MiB"
            f"{limits.advice}"
        )


def size_of(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return the width and height in the header of a file, before it is turned upright.

    Raises:
        ImageRejectedError: it is not a picture that pixd takes.
    """
    _check_bytes(len(data), limits)
    with refusing():
        return _opened(data, limits).size


def _decode(data: bytes, limits: Limits, *, bits: int, are_ids: bool) -> Picture:
    image, layout = _prepared(data, limits)
    _load(image)
    low = None
    rawmode = low_rawmode(layout.rawmode)
    if rawmode:
        low = _prepared(data, limits)[0]
        read_as(low, rawmode)
        _load(low)
    orientation, profile = _orientation(image), _profile(image, data)
    return Picture(image, orientation, profile, layout, low, bits=bits, are_ids=are_ids)


def _profile(image: Image.Image, data: bytes) -> bytes | None:
    if image.format == "PNG":
        return png_chunks.profile_of(image, data)
    profile: bytes | None = image.info.get("icc_profile")
    if image.format in {"AVIF", "HEIF"} and not profile:
        return heif_boxes.profile_of(data)
    return profile


def _prepared(data: bytes, limits: Limits) -> tuple[Image.Image, Layout]:
    image = _opened(data, limits)
    if image.format == "PNG":
        png_chunks.check(data)
        return image, png_chunks.layout_of(image, data)
    if image.format == "TIFF":
        return image, tiff.layout_of(image)
    if image.format == "AVIF":
        heif_boxes.check(data)
    if image.format == "BMP":
        bmp.check(image, data)
    return image, Layout()


def _load(image: Image.Image) -> None:
    try:
        # Before anything reads EXIF: a damaged PNG whose EXIF was read first loads without an error.
        image.load()
    except (OSError, SyntaxError) as error:
        if "truncated" in str(error) or "end of" in str(error).lower():
            raise ImageRejectedError(f"it is cut off: {short(error)}") from error
        if image.format == "TIFF" and str(error).startswith("decoder error"):
            raise ImageRejectedError(tiff.why_undecoded(image)) from error
        raise


def _opened(data: bytes, limits: Limits) -> Image.Image:
    # Pillow has its own limit, for the whole process, which must not be below ours.
    Image.MAX_IMAGE_PIXELS = max(_BOMB_PIXELS, limits.max_pixels)
    kind = formats.format_of(data)
    try:
        image = Image.open(io.BytesIO(data), formats=_openers(kind))
        if image.format == "TIFF":
            tiff.to_picture(image)
    except Image.DecompressionBombError:
        raise ImageRejectedError(_too_many_pixels(limits)) from None
    except UnidentifiedImageError:
        why = unopened.why(data, kind, limits.max_pixels, limits.advice)
        raise ImageRejectedError(why) from None
    width, height = image.size
    if width * height > limits.max_pixels:
        why = unopened.too_large(width, height, limits.max_pixels, limits.advice)
        raise ImageRejectedError(why)
    return image


def _openers(kind: formats.Format | None) -> tuple[str, ...]:
    """Return the names of the formats that Pillow may open a file as.

    Raises:
        ImageRejectedError: the format needs an extra that is not installed.
    """
    if kind is None or kind.plugin:
        return tuple(built_in.pillow_name for built_in in _BUILT_IN)
    if not formats.is_available(kind):
        raise ImageRejectedError(kind.missing)
    _REGISTER[kind.name]()
    return (kind.pillow_name,)


def _too_many_pixels(limits: Limits) -> str:
    return f"it has more pixels than the limit of {limits.max_pixels / 1e6:.0f} megapixels{limits.advice}"


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - any damage in EXIF means that nothing is turned
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1  # noqa: PLR2004
