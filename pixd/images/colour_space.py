"""Colour spaces that a file names by number or by gamma, as ICC profiles.

PNG (cICP, gAMA), AVIF and HEIC (nclx) can say what their colours are without a profile. What they
say becomes a profile here, so that there is one way to sRGB.

Promises: nothing for what is sRGB, or near enough that viewers show it as such; a refusal for
high dynamic range, whose white nothing defines.

Source: ITU-T H.273 (04/2024), tables 2 and 3; ICC.1:2022, 7.2, 9.2, 10.18.
"""

from __future__ import annotations

import functools
import struct
from typing import Final

import numpy as np

from pixd.system.errors import ImageRejectedError

LINEAR: Final = 8  # TransferCharacteristics of H.273
_SRGB: Final = 13
_GAMMA_22: Final = 4
_HIGH_DYNAMIC_RANGE: Final = {16: "PQ", 18: "HLG"}
_CURVES: Final = {LINEAR: 1.0, _GAMMA_22: 2.2}

# ColourPrimaries of H.273: x and y of red, green, blue. All have the white of D65.
BT709: Final = 1
_WIDE: Final = {
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
_NARROW: Final = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)  # sRGB, and all others for it
_D65: Final = (0.3127, 0.3290)
_D50: Final = (0.9642, 1.0, 0.8249)  # XYZ, ICC.1:2022 7.2.16
_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_CREATOR: Final = b"pixd"
_CREATOR_AT: Final = 80


def profile_of(primaries: int, transfer: int) -> bytes | None:
    """Return the profile of a colour space that is named by its numbers of H.273.

    Args:
        primaries: ColourPrimaries. Those of standard television count as sRGB.
        transfer: TransferCharacteristics. Those of television count as sRGB, as viewers do it.

    Returns:
        An ICC profile for RGB; None for sRGB.

    Raises:
        ImageRejectedError: it has a high dynamic range.
    """
    if transfer in _HIGH_DYNAMIC_RANGE:
        raise ImageRejectedError(
            f"it has a high dynamic range ({_HIGH_DYNAMIC_RANGE[transfer]}), which says no white:"
            " export it with standard range (SDR), in sRGB"
        )
    if primaries not in _WIDE and transfer not in _CURVES:
        return None
    return _profile(_WIDE.get(primaries, _NARROW), _CURVES.get(transfer, 0))


def is_made_here(profile: bytes) -> bool:
    """Tell whether a profile comes from `profile_of`, so that grey is to be read as RGB with it."""
    return profile[_CREATOR_AT : _CREATOR_AT + 4] == _CREATOR


@functools.lru_cache(maxsize=16)
def _profile(primaries: tuple[float, ...], gamma: float) -> bytes:
    curve = struct.pack(">4s4xH2x", b"para", 0) + _fixed(gamma)
    if not gamma:  # that of sRGB, IEC 61966-2-1
        curve = struct.pack(">4s4xH2x", b"para", 3)
        curve += _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    text = struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", 8, 28)
    text += "pixd".encode("utf-16-be")
    tags = {b"desc": text, b"cprt": text, b"wtpt": _xyz(_D50)}
    for colour, column in zip((b"r", b"g", b"b"), _colorants(primaries).T, strict=True):
        tags[colour + b"XYZ"] = _xyz(column)
        tags[colour + b"TRC"] = curve
    at = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, at + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4xI4s4s4s12x4s4x4x4x4x8xI12s4s44x",
        at + len(content), 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp", 0, _fixed(*_D50), _CREATOR,
    )  # fmt: skip
    return header + table + content


def _colorants(primaries: tuple[float, ...]) -> np.ndarray:
    """Return XYZ of red, green and blue as columns, adapted to D50."""

    def xyz(x: float, y: float) -> list[float]:
        return [x / y, 1.0, (1 - x - y) / y]

    columns = np.array([xyz(*primaries[at : at + 2]) for at in (0, 2, 4)]).T
    white = np.array(xyz(*_D65))
    cone = np.array(_BRADFORD)
    adapt = np.linalg.inv(cone) @ np.diag((cone @ np.array(_D50)) / (cone @ white)) @ cone
    colorants: np.ndarray = adapt @ (columns * np.linalg.solve(columns, white))
    return colorants


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values: object) -> bytes:
    return struct.pack(">4s4x", b"XYZ ") + _fixed(*values)  # type: ignore[misc]
