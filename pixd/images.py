"""The one Pillow border: decode safely, orient, normalise, encode.

Promises: whatever the bytes, the answer is an upright 8-bit sRGB picture or an
`ImageRejectedError` whose message a person understands; never another exception, a warning,
or a file that Pillow opens by itself. Leaves to others: time and memory limits on the
decoding process (`pixd.confinement`), where bytes come from, and how a picture meets the model
(`pixd.fitting`, `pixd.tiles`).
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from pixd import confinement
from pixd.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_READERS = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
    AvifImagePlugin.AvifImageFile,
)
FORMATS = tuple(str(reader.format) for reader in _READERS)
"""Read by content. The list is closed: Pillow would start Ghostscript for an EPS. What phones
write as MPO opens as JPEG; its first frame is the picture."""

_DECODERS = {"zlib": "PNG", "jpg": "JPEG", "webp": "WebP", "libtiff": "TIFF", "avif": "AVIF"}
"""What Pillow calls the libraries that it may have been built without, and what they read."""


def missing_decoders() -> list[str]:
    """Return the formats that this Pillow was built without."""
    from PIL import features  # noqa: PLC0415 - for `pixd doctor` alone

    return [name for library, name in _DECODERS.items() if not features.check(library)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too large to take.

    Attributes:
        max_pixels: width times height, looked up in the header before anything is decoded.
        max_bytes: size of the file.
    """

    max_pixels: int = confinement.MEGAPIXELS * 1_000_000
    max_bytes: int = confinement.FILE_BYTES

    @classmethod
    def of_megapixels(cls, megapixels: int) -> Limits:
        """Return the limits of a `max_megapixels`."""
        return cls(megapixels * 1_000_000, confinement.file_bytes_of(megapixels))


DEFAULT_LIMITS = Limits()
BAND_PIXELS = 8_000_000
"""A larger picture is converted in bands of so many pixels: whole, each step would cost a copy."""
TOO_MUCH_MEMORY = "decoding it needs more memory than is allowed"

_NAMED = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "an EPS or PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS document"),
    (b"8BPS", "a Photoshop document: export it as PNG"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<svg", "an SVG drawing: export it as PNG"),
    (b"<?xml", "an XML or SVG document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture: export it as PNG or JPEG"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
)


def decode_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Decode a file as `decode` does; one that is too large is not even read.

    Raises:
        ImageRejectedError: it is no picture that pixd takes.
        OSError: it cannot be read.
    """
    return open_picture(read_file(path, limits), limits).rgb()


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
        ImageRejectedError: it is no picture that pixd takes; the message says why.
    """
    return open_picture(data, limits).rgb()


def open_picture(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode a picture, and leave it in the mode that it came in.

    Raises:
        ImageRejectedError: it is no picture that pixd takes; the message says why.
    """
    _check_bytes(len(data), limits)
    with _refusing():
        return _decode(data, limits)


class Picture:
    """A decoded picture as it is to be seen: upright, and 8-bit sRGB wherever it is looked at.

    It keeps the pixels once, in the mode of the file, and converts what is asked for. So a
    picture of a hundred megapixels can be read from top to bottom in the memory of its own.
    """

    def __init__(self, image: Image.Image, orientation: int, profile: bytes | None) -> None:
        """Show `image`, loaded, turned by its EXIF orientation and through its ICC profile."""
        self._image, self._orientation, self._profile = image, orientation, profile
        width, height = image.size
        self.size = (width, height) if orientation < _FIRST_ON_ITS_SIDE else (height, width)

    @property
    def has_alpha(self) -> bool:
        """Tell whether the file has transparency, be it opaque all over."""
        return self._image.mode in _WITH_ALPHA or "transparency" in self._image.info

    def rgb(self) -> Image.Image:
        """Return the whole, transparency laid over white.

        Raises:
            ImageRejectedError: its values mean no colours, or it takes too much memory.
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
        with _refusing():
            box = self._stored((0, top, self.size[0], bottom))
            # Cut only where something is cut off: a cut is a copy.
            whole = box == (0, 0, *self._image.size)
            image = self._image if whole else self._image.crop(box)
            if mode == "L":
                return orientation_applied(_alpha_of(image), self._orientation)
            rgb = orientation_applied(_to_srgb(image, self._profile), self._orientation)
            if mode == "RGBA":
                rgb.putalpha(orientation_applied(_alpha_of(image), self._orientation))
            return rgb

    def _whole(self, mode: str) -> Image.Image:
        width, height = self.size
        band = max(1, BAND_PIXELS // width)
        if band >= height:
            return self.rows(0, height, mode)
        with _refusing():
            whole = Image.new(mode, self.size)
        for top in range(0, height, band):
            whole.paste(self.rows(top, min(top + band, height), mode), (0, top))
        return whole

    def _stored(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Return where a box of the upright picture lies in the one that the file has."""
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
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return image.convert("RGBA").getchannel("A")
    return Image.new("L", image.size, 255)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
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
            raise ImageRejectedError(f"it cannot be decoded: {_short(error)}") from error


def read_file(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the bytes of a file; one that is too large is not even read.

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
        )


_BOMB_PIXELS = Image.MAX_IMAGE_PIXELS or 0


def size_of(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return the width and height that the header of a file says, not turned upright.

    Raises:
        ImageRejectedError: it is no picture that pixd takes.
    """
    _check_bytes(len(data), limits)
    with _refusing():
        return _opened(data, limits).size


def _decode(data: bytes, limits: Limits) -> Picture:
    image = _opened(data, limits)
    if image.format == "PNG":
        _check_png(data)
    try:
        # Before anything reads EXIF: a damaged PNG whose EXIF was read first loads in silence.
        image.load()
    except (OSError, SyntaxError) as error:
        if "truncated" in str(error) or "end of" in str(error).lower():
            raise ImageRejectedError(f"it is cut off: {_short(error)}") from error
        raise
    return Picture(image, _orientation(image), image.info.get("icc_profile"))


def _opened(data: bytes, limits: Limits) -> Image.Image:
    # Pillow has a limit of its own, for the whole process, which must not be below ours.
    Image.MAX_IMAGE_PIXELS = max(_BOMB_PIXELS, limits.max_pixels)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageRejectedError(_too_many_pixels(limits)) from None
    except UnidentifiedImageError:
        raise ImageRejectedError(_name_of(data)) from None
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageRejectedError(
            f"{width} x {height} is {width * height / 1e6:.0f} megapixels,"
            f" over the limit of {limits.max_pixels / 1e6:.0f}"
        )
    return image


def _too_many_pixels(limits: Limits) -> str:
    return f"it has more pixels than the limit of {limits.max_pixels / 1e6:.0f} megapixels"


def _name_of(data: bytes) -> str:
    head = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if data[4:8] == b"ftyp" and data[8:12] in {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}:
        return "it is a HEIC picture, which is not supported: export it as JPEG"
    for magic, name in _NAMED:
        if head.startswith(magic):
            return f"it is {name}, not a picture that pixd takes"
    return f"it is not a picture in a format that pixd takes ({', '.join(FORMATS)})"


def _short(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]


def _check_png(data: bytes) -> None:
    """Walk the chunks: Pillow decodes a PNG with a wrong checksum or a cut end in silence."""
    import zlib  # noqa: PLC0415

    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ImageRejectedError("it is cut off: its last chunk is not whole")
        if kind in {b"IDAT", b"IHDR", b"PLTE"}:
            (expected,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != expected:
                raise ImageRejectedError("it is damaged: a checksum is wrong")
        if kind == b"IEND":
            return
        at = end
    raise ImageRejectedError("it is cut off: its end mark is missing")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - any damage in EXIF means "as it stands"
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1  # noqa: PLR2004


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


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        # Scaled, not clipped: convert("RGB") would turn everything above 255 white.
        image = _scaled_to_8_bits(image)
        profile = None
    if image.mode == "F":
        raise ImageRejectedError("its values are floating point, with no defined black and white")
    alpha = None
    if image.mode in {"LA", "La", "PA", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    if image.mode in {"1", "P"}:
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile)
    rgb = image.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        white = Image.new("RGB", rgb.size, (255, 255, 255))
        white.paste(rgb, mask=alpha)
        return white
    return rgb


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 256):  # in bands: wider numbers of a whole picture are GBs
        band = np.clip(values[top : top + 256].astype(np.int64), 0, 65535)
        # Rounded to the nearest exactly: 257 is odd, so there are no halves.
        scaled[top : top + 256] = (band + 128) // 257
    return Image.fromarray(scaled)


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a damaged or unfitting profile: the values as they are
    return converted if converted is not None else image


# -- encoding --------------------------------------------------------------------------------

PNG_LEVEL = 3  # a third of the time of the default 6 for some per cent of size


def encode_png(image: Image.Image, text: Mapping[str, str]) -> bytes:
    """Write an 8-bit, non-interlaced PNG with text chunks and nothing else.

    The same picture and text give the same bytes. No metadata of the source goes in. RGBA is
    written as it is, everything else as RGB.
    """
    info = PngImagePlugin.PngInfo()
    for key in sorted(text):
        info.add_text(key, text[key])
    out = io.BytesIO()
    rgb = image if image.mode == "RGBA" else image.convert("RGB")
    rgb.save(out, "PNG", pnginfo=info, compress_level=PNG_LEVEL)
    return out.getvalue()
