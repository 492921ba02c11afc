"""Convert 8-bit sRGB pictures to CIE L*a*b* and back, for `pairs: colorization`.

L* is how light a pixel is, a* and b* which colour it has and how much of it. White is D65, the
white of sRGB, so that every grey has a* = b* = 0. NumPy alone. Large pictures are worked on in
bands of rows by `with_lightness`, because their floats would take gigabytes.

Source: IEC 61966-2-1:1999 (sRGB: transfer function, primaries); CIE 15:2004, section 8.2.1
(L*a*b*). Both inverses are the algebraic ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Floats = NDArray[np.float32]

_BAND_ROWS: Final = 256
_DELTA: Final = 6.0 / 29.0  # below its cube, the cube root is replaced by a line
_XYZ_OF_RGB: Final = np.array(
    [
        [0.4123908, 0.3575843, 0.1804808],
        [0.2126390, 0.7151687, 0.0721923],
        [0.0193308, 0.1191948, 0.9505322],
    ]
)
_WHITE: Final = _XYZ_OF_RGB.sum(axis=1)  # D65; as the sum, so that greys are exactly grey
_SCALED_XYZ_OF_RGB: Final = (_XYZ_OF_RGB / _WHITE[:, None]).astype(np.float32)
_RGB_OF_SCALED_XYZ: Final = (np.linalg.inv(_XYZ_OF_RGB) * _WHITE).astype(np.float32)


def from_rgb(pixels: Pixels) -> Floats:
    """Convert sRGB to L*a*b*.

    Args:
        pixels: (..., 3) uint8, RGB.

    Returns:
        (..., 3) float32: L* 0..100, a* and b* within -110..110 for all of sRGB.
    """
    x, y, z = _split(_f(_LINEAR_OF_8_BITS[pixels] @ _SCALED_XYZ_OF_RGB.T))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def to_rgb(lab: Floats) -> Pixels:
    """Convert L*a*b* to sRGB; what lies outside of sRGB is clipped, channel by channel.

    Args:
        lab: (..., 3) float32.

    Returns:
        (..., 3) uint8, RGB, rounded to the nearest.
    """
    lightness, a, b = _split(lab)
    y = (lightness + 16) / 116
    xyz = _f_inverse(np.stack([y + a / 500, y, y - b / 200], axis=-1))
    return _to_8_bits(xyz @ _RGB_OF_SCALED_XYZ.T)


def lightness_of_grey(grey: Pixels) -> Floats:
    """Return L* of 8-bit grey values, float32 0..100, of the same shape."""
    lightness: Floats = _LIGHTNESS_OF_GREY[grey]
    return lightness


def grey_of(pixels: Pixels) -> Pixels:
    """Return the grey that is as light as each pixel; greys stay as they are.

    Args:
        pixels: (..., 3) uint8, RGB.

    Returns:
        (...) uint8; its L* is the pixel's within 0.6, half a step of the darkest greys.
    """
    return _to_8_bits(_LINEAR_OF_8_BITS[pixels] @ _SCALED_XYZ_OF_RGB[1])


def with_lightness(pixels: Pixels, grey: Pixels) -> Pixels:
    """Return the colours of one picture (its a* and b*) under the lightness of another.

    Args:
        pixels: (height, width, 3) uint8, RGB.
        grey: (height, width) uint8, see `grey_of`.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    made = np.empty_like(pixels)
    for top in range(0, len(pixels), _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        lab = from_rgb(pixels[band])
        lab[..., 0] = lightness_of_grey(grey[band])
        made[band] = to_rgb(lab)
    return made


def _split(values: Floats) -> tuple[Floats, Floats, Floats]:
    return values[..., 0], values[..., 1], values[..., 2]


def _f(scaled_xyz: Floats) -> Floats:
    line = scaled_xyz / np.float32(3 * _DELTA**2) + np.float32(4 / 29)
    return np.where(scaled_xyz > _DELTA**3, np.cbrt(scaled_xyz), line).astype(np.float32)


def _f_inverse(t: Floats) -> Floats:
    line = np.float32(3 * _DELTA**2) * (t - np.float32(4 / 29))
    return np.where(t > _DELTA, t * t * t, line).astype(np.float32)


def _to_8_bits(linear: Floats) -> Pixels:
    """Apply sRGB's transfer function to linear light, 0..1, and round to 0..255."""
    clipped = np.clip(linear, 0, 1)
    curve = np.float32(1.055) * np.power(clipped, np.float32(1 / 2.4)) - np.float32(0.055)
    encoded = np.where(clipped <= 0.0031308, np.float32(12.92) * clipped, curve)  # noqa: PLR2004
    rounded: Floats = np.rint(encoded * 255)
    return rounded.astype(np.uint8)


def _linear_of_8_bits() -> Floats:
    encoded = np.arange(256) / 255.0
    curve = ((encoded + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, curve).astype(np.float32)  # noqa: PLR2004


_LINEAR_OF_8_BITS: Final = _linear_of_8_bits()
_LIGHTNESS_OF_GREY: Final = np.asarray(116 * _f(_LINEAR_OF_8_BITS) - 16, np.float32)
