"""What Pillow's modes do not tell about a TIFF: the tags say it.

Promises: of a TIFF that Pillow opens, either the layout by which its numbers are right, or a
refusal that names the kind and what to do. Nothing is guessed: where two programs read the same
file differently, it is refused.

Leaves to others: decoding (Pillow, with libtiff), which it only asks in another way where its
own way is wrong.

Source: TIFF 6.0; TIFF Technical Note 1 (SubIFDs); DNG 1.7; libtiff's tif_dirread.c.
"""

from __future__ import annotations

import io
from typing import Any, Final

from PIL import ImagePalette, TiffImagePlugin

from pixd.images.samples import Layout, rawmode_of, read_as
from pixd.system.errors import ImageRejectedError

_NEW_SUBFILE_TYPE: Final = 254
_BITS: Final = 258
_COMPRESSION: Final = 259
_PHOTOMETRIC: Final = 262
_SAMPLES: Final = 277
_PLANAR: Final = 284
_COLOUR_MAP: Final = 320
_SUB_IFDS: Final = 330
_INK_SET: Final = 332
_FILL_ORDER: Final = 266
_EXTRA_SAMPLES: Final = 338
_SAMPLE_FORMAT: Final = 339
_SUBSAMPLING: Final = 530
_BLACK_AND_WHITE: Final = 532
_MATTEING: Final = 32995
_DNG_VERSION: Final = 50706

_REDUCED: Final = 1  # bits of NewSubfileType
_MASK: Final = 4
_MOST_PAGES: Final = 64
_CMYK: Final = 5
_YCBCR: Final = 6
_LAB: Final = 8
_SIGNED: Final = 2
_JPEGS: Final = (6, 7)
_WHOLE_RANGE: Final = (0, 255, 128, 255, 128, 255)
_SEPARATE: Final = 2

# Pillow reads these, but leaves them out of its table.
for _order, _white, _bits, _read_in in (
    (b"MM", 0, 16, ("I;16B", "I;16B")),
    (b"II", 0, 12, ("I;16", "I;12")),
    (b"MM", 0, 12, ("I;16", "I;12")),
    (b"MM", 1, 12, ("I;16", "I;12")),
):
    TiffImagePlugin.OPEN_INFO.setdefault((_order, _white, (1,), 1, (_bits,), ()), _read_in)

_SAVE: Final = "save it as grey or RGB of 8 or 16 bits"
_PHOTOMETRICS: Final = {
    0: "grey, white is zero", 1: "grey", 2: "RGB", 3: "palette", 4: "a mask", 5: "CMYK",
    6: "YCbCr", 8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab", 32803: "a sensor's raw values",
    32844: "LogL", 32845: "LogLuv", 34892: "a sensor's raw values",
}  # fmt: skip
_COMPRESSIONS: Final = {
    34661: "JBIG", 34663: "JBIG", 34676: "SGI Log", 34677: "SGI Log", 34712: "JPEG 2000",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
_FORMATS: Final = {1: "", 2: "signed ", 3: "floating-point ", 4: "", 5: "complex ", 6: "complex "}


def to_picture(image: Any) -> None:
    """Go to the page that is the picture: the first, unless it says that it is a smaller copy.

    Args:
        image: Pillow's, opened and not loaded.

    Raises:
        ImageRejectedError: the file is a camera's raw file, which has only a preview as a page.
    """
    tags = image.tag_v2
    kind = _number(tags, _NEW_SUBFILE_TYPE, 0)
    if _DNG_VERSION in tags or (kind & _REDUCED and _SUB_IFDS in tags):
        raise ImageRejectedError(_CAMERA_RAW)
    if not kind & (_REDUCED | _MASK):
        return
    for page in range(1, _MOST_PAGES):
        try:
            image.seek(page)
        except EOFError:
            break
        if not _number(image.tag_v2, _NEW_SUBFILE_TYPE, 0) & (_REDUCED | _MASK):
            return
    image.seek(0)


_CAMERA_RAW: Final = (
    "it is a camera's raw file, of which only the preview could be read: develop it, and export it"
    " as TIFF, PNG or JPEG"
)


def layout_of(image: Any) -> Layout:
    """Return how to read the numbers of a TIFF, and have Pillow decode it so.

    Args:
        image: Pillow's, opened and not loaded.

    Raises:
        ImageRejectedError: Pillow would read it wrong; the message says what to do.
    """
    tags = image.tag_v2
    photometric = _number(tags, _PHOTOMETRIC, 0)
    bits = max(_numbers(tags, _BITS, (1,)))
    _check(image, tags, photometric, bits)
    if image.mode == "P" and max(tags[_COLOUR_MAP]) < 256:  # noqa: PLR2004
        # Old programs wrote 8 bits for the 16 of a colour; libtiff knows them in the same way.
        image.palette = ImagePalette.raw("RGB;L", bytes(tags[_COLOUR_MAP]))
    separate = _number(tags, _PLANAR, 1) == _SEPARATE and _number(tags, _SAMPLES, 1) > 1
    no_alpha = image.mode == "RGBA" and _EXTRA_SAMPLES not in tags
    _mend(image, bits=bits, separate=separate, no_alpha=no_alpha)
    rawmode = rawmode_of(image)
    premultiplied = rawmode.startswith("RGBa;16")
    if premultiplied:  # Pillow divides after it has dropped the low bytes
        rawmode = rawmode.replace("RGBa", "RGBA")
        read_as(image, rawmode)
    return Layout(
        maximum=(1 << bits) - 1 if 8 < bits < 16 else 65535,  # noqa: PLR2004
        white_is_zero=photometric == 0,
        premultiplied=premultiplied,
        no_alpha=no_alpha,
        rawmode="" if separate else rawmode,
    )


def _mend(image: Any, *, bits: int, separate: bool, no_alpha: bool) -> None:
    """Have a picture decoded in another way where Pillow's own way reads the wrong bytes."""
    if image.mode == "YCbCr":
        # Pillow's own way knows no subsampling, and 2 x 2 is what holds if nothing is said.
        if _numbers(image.tag_v2, _SUBSAMPLING, (2, 2)) != (1, 1):
            image._mode = "RGB"  # noqa: SLF001 - what Pillow does for compressed files
            _through_libtiff(image, "RGBX")
    elif rawmode_of(image) == "L;IR":  # which Pillow names and does not have
        _through_libtiff(image, "L;I")
    elif _number(image.tag_v2, _PLANAR, 1) == _SEPARATE and image.mode.startswith("I;16"):
        _through_libtiff(image, "I;16N")
    elif separate and (bits > 8 or image.use_load_libtiff or image.tile[-1].args[0] == "a"):  # noqa: PLR2004
        depth = ";16N" if bits > 8 else ""  # noqa: PLR2004
        if no_alpha:
            # Pillow would divide the colours by a fourth plane of which nothing is said.
            image._mode = "RGB"  # noqa: SLF001 - so that only three planes are read
            read_as(image, f"RGB{depth}")
        _through_libtiff(image, image.mode + depth)


def _check(image: Any, tags: Any, photometric: int, bits: int) -> None:
    if _SIGNED in _numbers(tags, _SAMPLE_FORMAT, (1,)):
        raise ImageRejectedError(
            f"its values are signed whole numbers of {bits} bits, with no defined black and white:"
            f" {_SAVE}, with 0 for black"
        )
    if image.mode == "I":
        raise ImageRejectedError(
            f"its values are whole numbers of {bits} bits, with no defined black and white: {_SAVE}"
        )
    if _PHOTOMETRIC not in tags:
        raise ImageRejectedError(f"nothing in it says whether 0 is black or white: {_SAVE}")
    if photometric == _CMYK and _number(tags, _INK_SET, 1) != 1:
        raise ImageRejectedError("its inks are not cyan, magenta, yellow and black: save it as RGB")
    if photometric == _LAB:
        raise ImageRejectedError(
            "its colours are CIE Lab, of which programs make different pictures: save it as RGB"
        )
    if photometric == _YCBCR and _number(tags, _COMPRESSION, 1) not in _JPEGS:
        found = tags.get(_BLACK_AND_WHITE, _WHOLE_RANGE)
        if tuple(round(float(value)) for value in found) != _WHOLE_RANGE:
            raise ImageRejectedError("its YCbCr colours have a narrow range: save it as RGB")
    if _number(tags, _MATTEING, 0) and _EXTRA_SAMPLES not in tags:
        raise ImageRejectedError(f"its transparency is of an old kind (Matteing): {_SAVE}")


def _through_libtiff(image: Any, rawmode: str) -> None:
    """Have libtiff decode an uncompressed file, of which Pillow itself would read the wrong bytes."""
    if not image.use_load_libtiff:
        tile = image.tile[0]._replace(
            codec_name="libtiff",
            extents=(0, 0, *image._tile_size),  # noqa: SLF001 - it is not upright yet
            offset=0,
            args=(rawmode, False, image.tag_v2.offset),
        )
        image.tile = [tile]
        image.use_load_libtiff = True


def why_undecoded(image: Any) -> str:
    """Return what to say of an opened TIFF that libtiff does not decode."""
    compression = _number(image.tag_v2, _COMPRESSION, 1)
    name = _COMPRESSIONS.get(compression) or image.info.get("compression", str(compression))
    return f"its TIFF compression ({name}) cannot be decoded, or it is damaged: save it with LZW or none"


def why_not(data: bytes) -> str:
    """Say what a TIFF is that Pillow does not open.

    Returns:
        The reason of a refusal; "" if its tags cannot be read either.
    """
    try:
        header = data[:16] if data[2:3] == b"+" or data[3:4] == b"+" else data[:8]
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        with io.BytesIO(data) as file:
            file.seek(tags.next)
            tags.load(file)
        return _described(tags)
    except Exception:  # noqa: BLE001 - any damage means that there is nothing to tell
        return ""


def _described(tags: Any) -> str:
    photometric = _number(tags, _PHOTOMETRIC, -1)
    colour = _PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
    compression = _number(tags, _COMPRESSION, 1)
    if _DNG_VERSION in tags or colour == _PHOTOMETRICS[32803]:
        return _CAMERA_RAW
    if compression in _COMPRESSIONS:
        return (
            f"it is a TIFF with {_COMPRESSIONS[compression]} compression: save it with LZW or none"
        )
    bits = _numbers(tags, _BITS, (1,))
    count = _number(tags, _SAMPLES, len(bits))
    kinds = {_FORMATS.get(value, "") for value in _numbers(tags, _SAMPLE_FORMAT, (1,))}
    widths = "/".join(str(value) for value in sorted(set(bits)))
    if _number(tags, _FILL_ORDER, 1) != 1:
        colour += ", lowest bit first"
    extra = len(_numbers(tags, _EXTRA_SAMPLES, ()))
    return (
        f"it is a TIFF of a kind that pixd does not read ({colour}, {count}"
        f" {'sample' if count == 1 else 'samples'} of {widths} {''.join(sorted(kinds))}bits"
        f"{f', {extra} of them extra' if extra else ''}): {_SAVE}"
    )


def _number(tags: Any, tag: int, default: int) -> int:
    values = _numbers(tags, tag, (default,))
    return values[0] if values else default


def _numbers(tags: Any, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    found = tags.get(tag, default)
    found = found if isinstance(found, tuple) else (found,)
    return tuple(value for value in found if isinstance(value, int))
