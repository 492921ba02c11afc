"""Converts pixels to the tensors of a network and back: RGB, or L* in and a*b* out.

The channels of a generator show which of the two it uses, so a saved one needs no other note.

Source: the ranges of L*a*b* are those of `preprocess_lab` in Christopher Hesse's
pix2pix-tensorflow (pix2pix.py, --lab_colorization).
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pixd.config.pair_kinds import KINDS
from pixd.images import lab

LIGHTNESS_HALF: Final = np.float32(50.0)  # L* is 0..100
COLOUR_RANGE: Final = np.float32(110.0)  # a* and b* of sRGB lie within -107.9..98.3

Pixels = NDArray[np.uint8]  # (..., size, size, 3), RGB
Values = NDArray[np.float32]  # (..., size, size, channels) in [-1, 1]


def to_float(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map 0..255 to [-1, 1], float32, any shape."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def to_uint8(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map [-1, 1] to 0..255, rounded to the nearest; the inverse of `to_float`."""
    rounded: NDArray[np.float32] = np.rint((values + 1.0) * 127.5)
    return np.clip(rounded, 0, 255).astype(np.uint8)


class Codec(Protocol):
    """How pictures become the inputs and targets of a kind of network."""

    @property
    def input_channels(self) -> int:
        """Channels of the generator's input."""

    @property
    def output_channels(self) -> int:
        """Channels of its output, and of a target."""

    def input_values(self, input_image: Pixels) -> Values:
        """Return the generator's input for input pictures."""

    def target_values(self, target: Pixels) -> Values:
        """Return the output that it should have for target pictures."""

    def pixels_of(self, output: Values, input_image: Pixels) -> Pixels:
        """Return the pictures of its output, given the inputs that it was made from."""


class Rgb:
    """Three channels in, three out, each 0..255 as [-1, 1]."""

    input_channels = output_channels = 3

    def input_values(self, input_image: Pixels) -> Values:
        """Return (..., 3)."""
        return to_float(input_image)

    def target_values(self, target: Pixels) -> Values:
        """Return (..., 3)."""
        return to_float(target)

    def pixels_of(self, output: Values, input_image: Pixels) -> Pixels:
        """Return the output, rounded; the input is not needed."""
        del input_image
        return to_uint8(output)


class Lab:
    """L* in, a* and b* out; a picture has the input's own lightness and the output's colours."""

    input_channels = 1
    output_channels = 2

    def input_values(self, input_image: Pixels) -> Values:
        """Return (..., 1): L*/50 - 1."""
        return self._lightness(input_image) / LIGHTNESS_HALF - np.float32(1.0)

    def target_values(self, target: Pixels) -> Values:
        """Return (..., 2): a*/110 and b*/110."""
        return lab.from_rgb(target)[..., 1:] / COLOUR_RANGE

    def pixels_of(self, output: Values, input_image: Pixels) -> Pixels:
        """Return sRGB; colours that sRGB does not have at that lightness are clipped."""
        return lab.to_rgb(
            np.concatenate([self._lightness(input_image), output * COLOUR_RANGE], axis=-1)
        )

    @staticmethod
    def _lightness(pixels: Pixels) -> Values:
        return lab.lightness_of_grey(lab.grey_of(pixels))[..., None]


def codec_for(pairs: str) -> Codec:
    """Return the codec for the networks of a recipe's ``pairs``."""
    return Lab() if KINDS[pairs].keeps_lightness else Rgb()


def codec_of(generator: Any) -> Codec:
    """Return the codec of a Keras generator, by its channels."""
    return codec_with(generator.output_shape[-1])


def codec_with(output_channels: int) -> Codec:
    """Return the codec of a generator with so many channels in its output."""
    return Lab() if output_channels == Lab.output_channels else Rgb()
