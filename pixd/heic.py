"""HEIC, what iPhones write: known by its first bytes, decoded where the extra is installed.

The one place that imports pillow-heif, which is an extra (`pixd[heic]`). It is loaded when the
first such file comes and not before, so that no other picture ever meets its decoder. Promises
the primary picture of a file, upright: libheif turns and mirrors it as the file says (irot,
imir), and pillow-heif sets the EXIF orientation, which the standard has readers ignore, to 1.

Source: ISO/IEC 23008-12 (HEIF), annex B.4 (the brands of HEVC) and 6.5.10 (irot).
"""

from __future__ import annotations

import importlib.util
import struct
from typing import Final

from pixd.errors import ImageRejectedError

INSTALL: Final = "pip install 'pixd[heic]'"
NAME: Final = "HEIC"
FORMAT: Final = "HEIF"  # as Pillow calls the plug-in
MISSING: Final = (
    f"it is a HEIC picture: {INSTALL}, then `pixd retry`, takes it; or export it as JPEG"
)
"""Why such a file is refused without the extra. `pixd retry` finds the refused ones by it."""

_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_BOX: Final = 16  # bytes: size, "ftyp", the major brand, its version; compatible brands follow
_MOST_BRANDS: Final = 64


def is_available() -> bool:
    """Tell whether pillow-heif is installed, without loading it."""
    return importlib.util.find_spec("pillow_heif") is not None


def is_heic(data: bytes) -> bool:
    """Tell by its first box whether a file is a HEIC picture, whatever it is called.

    AVIF has the same box and other brands; so has what is neither (``mif1`` alone).
    """
    if len(data) < _BOX or data[4:8] != b"ftyp":
        return False
    (size,) = struct.unpack_from(">I", data)
    end = min(size, len(data), _BOX + 4 * _MOST_BRANDS)
    brands = {data[8:12], *(data[at : at + 4] for at in range(_BOX, end - 3, 4))}
    return not brands.isdisjoint(_BRANDS)


def register() -> None:
    """Let Pillow open HEIC in this process.

    Raises:
        ImageRejectedError: the extra is not installed; the message says how to install it.
    """
    if not is_available():
        raise ImageRejectedError(MISSING)
    import pillow_heif  # an extra, and 10 MB of decoder

    # One thread: each maps memory that counts against the child's limit. No thumbnails: they
    # are other pictures.
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
    )
