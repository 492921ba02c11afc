"""What Pillow's modes do not tell about a BMP: its transparency of 16 bits a pixel.

Source: BITMAPV4HEADER (Microsoft, wingdi.h).
"""

from __future__ import annotations

import struct
from typing import Any, Final

from pixd.system.errors import ImageRejectedError

_HEADER_AT: Final = 14
_ALPHA_MASK_AT: Final = _HEADER_AT + 52
_LEAST_WITH_MASK: Final = 56  # bytes of a header that has a mask of alpha
_BIT_FIELDS: Final = 3


def check(image: Any, data: bytes) -> None:
    """Refuse a BMP whose transparency Pillow leaves out.

    Args:
        image: Pillow's, opened.
        data: the whole file.

    Raises:
        ImageRejectedError: it has such a transparency.
    """
    header, _, _, _, _, compression = struct.unpack_from("<IiiHHI", data, _HEADER_AT)
    if image.mode == "RGB" and header >= _LEAST_WITH_MASK and compression == _BIT_FIELDS:
        (mask,) = struct.unpack_from("<I", data, _ALPHA_MASK_AT)
        if mask:
            raise ImageRejectedError(
                "its transparency is of a kind that is not read: save it as PNG"
            )
