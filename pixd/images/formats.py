"""HEIC, what iPhones write: known by its first bytes, and whether the extra is installed.

Light, and without the decoder (`pixd.images.heif`): the service asks here what may be tried again.

Source: ISO/IEC 23008-12 (HEIF), annex B.4 (the brands of HEVC).
"""

from __future__ import annotations

import importlib.util
import struct
from typing import Final

INSTALL: Final = "pip install 'pixd[heic]'"
NAME: Final = "HEIC"
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
