"""Let Pillow open HEIC. Only this module imports pillow-heif, an extra (`pixd[heic]`).

It is loaded when the first such file comes, so that its decoder never reads another picture.
Promises the primary picture of a file, upright: libheif turns and mirrors it as the file says
(irot, imir). pillow-heif sets the EXIF orientation to 1, because the standard has readers ignore it.

Source: ISO/IEC 23008-12 (HEIF), 6.5.10 (irot).
"""

from __future__ import annotations


def register() -> None:
    """Let Pillow open HEIC in this process, under the name "HEIF".

    The caller has checked that the extra is installed (`pixd.images.formats.is_available`).
    """
    import pillow_heif  # noqa: PLC0415 - an extra, and 10 MB of decoder

    # One thread, because each maps memory that counts against the child's limit. No
    # thumbnails, because they are other pictures.
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
    )
