"""How to call a saved generator without pixd: channels, values and an example, for its card."""

from __future__ import annotations

from typing import Any

from pixd.config.pair_kinds import BLANK_SHARE, KINDS
from pixd.images.input_makers import WHITE
from pixd.pix2pix.network.codec import COLOUR_RANGE, LIGHTNESS_HALF, codec_for


def describe(pairs: str, size: int, generator_file: str) -> dict[str, Any]:
    """Return the card's fields on channels, colour, values and usage.

    Args:
        pairs: of the recipe.
        size: side of the images in pixels.
        generator_file: name of the saved generator.
    """
    codec = codec_for(pairs)
    is_lab = KINDS[pairs].keeps_lightness
    eight_bits = "0..255 / 127.5 - 1"
    return {
        "input": KINDS[pairs].input,
        "input_channels": codec.input_channels,
        "output_channels": codec.output_channels,
        "input_shape": [None, size, size, codec.input_channels],
        "output_shape": [None, size, size, codec.output_channels],
        "colour": "CIE L*a*b* of sRGB, white D65: L* in, a* and b* out" if is_lab else "RGB (sRGB)",
        "value_range": [-1, 1],
        "input_values": f"L* / {LIGHTNESS_HALF:g} - 1" if is_lab else eight_bits,
        "output_values": f"a* / {COLOUR_RANGE:g}, b* / {COLOUR_RANGE:g}" if is_lab else eight_bits,
        "usage": _lab_usage(size, generator_file)
        if is_lab
        else _usage(pairs, size, generator_file),
    }


def _usage(pairs: str, size: int, generator_file: str) -> list[str]:
    side = max(1, round(size * BLANK_SHARE))
    first = (size - side) // 2
    inside = f"{first}:{first + side}"
    prepared = {
        "edges": ["# pixels_uint8 is a drawing: dark thin lines on white"],
        "grayscale": [
            "luma = np.rint(pixels_uint8 @ [0.299, 0.587, 0.114])",
            "pixels_uint8 = np.repeat(luma[..., None], 3, axis=-1)",
        ],
        "blank": [
            "pixels_uint8 = pixels_uint8.copy()",
            f"pixels_uint8[:, {inside}, {inside}] = {WHITE}",
        ],
    }
    return [
        "import keras, numpy as np",
        f"generator = keras.models.load_model('{generator_file}', compile=False)",
        *prepared.get(pairs, []),
        f"x = pixels_uint8.astype('float32') / 127.5 - 1  # (1, {size}, {size}, 3), RGB",
        "y = np.rint((np.asarray(generator(x, training=False)) + 1) * 127.5).astype('uint8')",
    ]


def _lab_usage(size: int, generator_file: str) -> list[str]:
    return [
        "import cv2, keras, numpy as np  # cv2: pip install opencv-python-headless",
        f"generator = keras.models.load_model('{generator_file}', compile=False)",
        f"rgb = pixels_uint8[0].astype('float32') / 255  # of (1, {size}, {size}, 3), RGB",
        "lightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[..., :1]",
        f"x = lightness[None] / {LIGHTNESS_HALF:g} - 1  # (1, {size}, {size}, 1)",
        f"ab = np.asarray(generator(x, training=False))[0] * {COLOUR_RANGE:g}",
        "lab = np.concatenate([lightness, ab], axis=-1)",
        "y = np.rint(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB).clip(0, 1) * 255).astype('uint8')[None]",
    ]
