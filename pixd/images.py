"""The one Pillow border: decode safely, orient, normalise, fit, encode.

Promises: whatever the bytes, the answer is an upright 8-bit sRGB picture or an
`ImageRejectedError` whose message a person understands; never another exception, a warning,
or a file that Pillow opens by itself. Leaves to others: time and memory limits on the
decoding process (`pixd.confinement`), and where bytes come from.
"""

from __future__ import annotations

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

from pixd import heic, heic_opener, input_makers, lab
from pixd.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

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
write as MPO opens as JPEG; its first frame is the picture. HEIC comes beside (`heic_opener`)."""

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

    max_pixels: int = 64_000_000
    max_bytes: int = 256 * 1024 * 1024


DEFAULT_LIMITS = Limits()
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
    _check_bytes(path.stat().st_size, limits)
    return decode(path.read_bytes(), limits)


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
    if not data:
        raise ImageRejectedError("the file is empty")
    _check_bytes(len(data), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a broken EXIF block is no reason to refuse a picture
        try:
            return _decode(data, limits)
        except ImageRejectedError:
            raise
        except MemoryError:
            raise ImageRejectedError(TOO_MUCH_MEMORY) from None
        # Decoders raise ValueError, SyntaxError, struct.error and more; all mean the same here.
        except Exception as error:
            raise ImageRejectedError(f"it cannot be decoded: {_short(error)}") from error


def _check_bytes(size: int, limits: Limits) -> None:
    if size > limits.max_bytes:
        raise ImageRejectedError(
            f"{size / 2**20:.0f} MiB is over the limit of {limits.max_bytes / 2**20:.0f} MiB"
        )


def _decode(data: bytes, limits: Limits) -> Image.Image:
    formats = FORMATS
    if heic.is_heic(data):
        heic_opener.register()
        formats = (heic_opener.FORMAT,)
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError:
        raise ImageRejectedError(_too_many_pixels(limits)) from None
    except UnidentifiedImageError:
        raise ImageRejectedError(_name_of(data)) from None
    with image:
        width, height = image.size
        if width * height > limits.max_pixels:
            raise ImageRejectedError(
                f"{width} x {height} is {width * height / 1e6:.0f} megapixels,"
                f" over the limit of {limits.max_pixels / 1e6:.0f}"
            )
        if image.format == "PNG":
            _check_png(data)
        try:
            # Before anything reads EXIF: a damaged PNG whose EXIF was read first loads in silence.
            image.load()
        except (OSError, SyntaxError) as error:
            if "truncated" in str(error) or "end of" in str(error).lower():
                raise ImageRejectedError(f"it is cut off: {_short(error)}") from error
            raise
        orientation = _orientation(image)
        profile = image.info.get("icc_profile")
        rgb = _to_srgb(image, profile)
        return orientation_applied(rgb, orientation)


def _too_many_pixels(limits: Limits) -> str:
    return f"it has more pixels than the limit of {limits.max_pixels / 1e6:.0f} megapixels"


def _name_of(data: bytes) -> str:
    head = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if heic.is_heic(data):
        return "it is a HEIC picture that is damaged or of an unknown kind: export it as JPEG"
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


# -- pairs -----------------------------------------------------------------------------------

ASPECT_TOLERANCE = 0.05


def split_side_by_side(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Cut a side-by-side pair into its left and right half.

    Raises:
        ImageRejectedError: it is not twice as wide as high, within 5 %.
    """
    width, height = image.size
    if width < 2 or abs(width / height / 2 - 1) > ASPECT_TOLERANCE:  # noqa: PLR2004
        raise ImageRejectedError(
            f"a side-by-side pair must be twice as wide as high; this one is {width} x {height}"
        )
    half = width // 2
    return image.crop((0, 0, half, height)), image.crop((width - half, 0, width, height))


def load_pair(
    paths: Sequence[Path], pairs: str, direction: str, size: int, fit: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read one training pair.

    Args:
        paths: the one side-by-side file, the files of a/ and b/, or the one target.
        pairs: "side-by-side", "folders", or how the input is made from the target
            (`pixd.input_makers`).
        direction: "AtoB" or "BtoA"; nothing where the input is made.
        size: side of the model's square, pixels.
        fit: "pad", "crop" or "stretch".

    Returns:
        (input image, target), each uint8 (size, size, 3), RGB.

    Raises:
        ImageRejectedError: a file cannot be used.
        EdgesMissingError: outlines are wanted, and OpenCV is not installed.
        OSError: a file cannot be read.
    """
    if input_makers.makes(pairs):
        target = to_model(decode_file(paths[0]), size, fit)[0]
        return input_makers.input_of(target, pairs), target
    if pairs == "side-by-side":
        a, b = split_side_by_side(decode_file(paths[0]))
    else:
        a, b = (decode_file(path) for path in paths)
    first, second = (to_model(side, size, fit)[0] for side in (a, b))
    return (first, second) if direction == "AtoB" else (second, first)


# -- fitting ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Framing:
    """How a picture was brought to the model's square, so that it can be undone.

    Attributes:
        width: of the source, pixels.
        height: of the source, pixels.
        size: side of the model's square, pixels.
        fit: "pad", "crop" or "stretch".
        box: left, top, right, bottom of the picture inside the square (for "pad"), or of the
            square inside the source (for "crop"), pixels.
    """

    width: int
    height: int
    size: int
    fit: str
    box: tuple[int, int, int, int]


def to_model(image: Image.Image, size: int, fit: str) -> tuple[NDArray[np.uint8], Framing]:
    """Bring a picture to the model's square.

    "pad" keeps the shape and repeats the edge pixels around it (a flat colour would be an edge
    that the network has to explain); "crop" takes the middle square; "stretch" ignores the shape.

    Returns:
        uint8 (size, size, 3), RGB, and the framing.
    """
    width, height = image.size
    if fit == "stretch":
        return _array(_resized(image, size, size)), Framing(
            width, height, size, fit, (0, 0, size, size)
        )
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
        return _array(_resized(image.crop(box), size, size)), Framing(width, height, size, fit, box)
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    box = (left, top, left + inner[0], top + inner[1])
    array = np.pad(
        _array(_resized(image, *inner)),
        ((top, size - box[3]), (left, size - box[2]), (0, 0)),
        mode="edge",
    )
    return array, Framing(width, height, size, fit, box)


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
        return _resized(image, side, side)
    return _resized(image, framing.width, framing.height)


def lightness(image: Image.Image) -> NDArray[np.uint8]:
    """Return how light each pixel of a picture is, (height, width) uint8, see `pixd.lab`."""
    return lab.grey_of(_array(image))


def recoloured(picture: Image.Image, grey: NDArray[np.uint8], framing: Framing) -> Image.Image:
    """Lay the colours of an output over the lightness of its whole source.

    Args:
        picture: from `from_model`, of the source's size.
        grey: (height, width) uint8, `pixd.lab.grey_of` of the source.
        framing: of the source.
    """
    if framing.fit == "crop":
        left, top, right, bottom = framing.box
        grey = grey[top:bottom, left:right]
    return Image.fromarray(lab.with_lightness(_array(picture), grey))


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _array(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image, dtype=np.uint8)


# -- encoding --------------------------------------------------------------------------------

PNG_LEVEL = 3  # a third of the time of the default 6 for some per cent of size


def encode_png(image: Image.Image, text: Mapping[str, str]) -> bytes:
    """Write an 8-bit RGB, non-interlaced PNG with text chunks and nothing else.

    The same picture and text give the same bytes. No metadata of the source goes in.
    """
    info = PngImagePlugin.PngInfo()
    for key in sorted(text):
        info.add_text(key, text[key])
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG", pnginfo=info, compress_level=PNG_LEVEL)
    return out.getvalue()
