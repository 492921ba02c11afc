"""Have Pillow open HEIC: the one place that imports pillow-heif, an extra (`pixd[heic]`).

It is loaded when the first such file comes and not before, so that no other picture ever meets its
decoder. Promises the primary picture of a file, upright: libheif turns and mirrors it as the file says
(irot, imir), and pillow-heif sets the EXIF orientation, which the standard has readers ignore, to 1.

Source: ISO/IEC 23008-12 (HEIF), 6.5.10 (irot).
"""

from __future__ import annotations

from typing import Final

from pixd.images import formats
from pixd.system.errors import ImageRejectedError

FORMAT: Final = "HEIF"  # as Pillow calls the plug-in


def register() -> None:
    """Let Pillow open HEIC in this process.

    Raises:
        ImageRejectedError: the extra is not installed; the message says how to install it.
    """
    if not formats.is_available():
        raise ImageRejectedError(formats.MISSING)
    import pillow_heif  # noqa: PLC0415 - an extra, and 10 MB of decoder

    # One thread: each maps memory that counts against the child's limit. No thumbnails: they
    # are other pictures.
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
    )
