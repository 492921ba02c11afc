"""PNG: transparent colours, 16 bits and colour spaces, as the chunks say them."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixd.images import colour_space, decode
from pixd.system.errors import ImageRejectedError
from tests.support.images import encoded, gradient
from tests.support.png_files import CHANNELS, png

GREY = np.asarray(gradient(12, 9).convert("L")).astype(int)
COLOUR = np.asarray(gradient(12, 9)).astype(int)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(decode.decode(data)).astype(int)


def alpha_of(data: bytes) -> np.ndarray:
    return np.asarray(decode.open_picture(data).alpha()).astype(int)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_that_is_transparent(bits: int) -> None:
    most = (1 << bits) - 1
    values = GREY * most // 255
    clear = int(values[4, 6])
    data = png(values, bits, 0, tRNS=struct.pack(">H", clear))
    grey = np.rint(values * 255 / most)
    assert np.array_equal(decoded(data)[..., 0], np.where(values == clear, 255, grey))
    assert np.array_equal(alpha_of(data), np.where(values == clear, 0, 255))
    assert decode.open_picture(data).has_alpha


@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_that_is_transparent(bits: int) -> None:
    values = COLOUR * (1 if bits == 8 else 257)
    clear = [int(value) for value in values[4, 6]]
    data = png(values, bits, 2, tRNS=struct.pack(">3H", *clear))
    same = (values == clear).all(-1)
    assert np.array_equal(decoded(data), np.where(same[..., None], 255, COLOUR))
    assert np.array_equal(alpha_of(data), np.where(same, 0, 255))


def test_of_colours_that_differ_in_their_low_bytes_one_is_transparent() -> None:
    values = np.array([[[1000, 2000, 3000], [1001, 2000, 3000]]])
    assert alpha_of(png(values, 16, 2, tRNS=struct.pack(">3H", 1000, 2000, 3000))).tolist() == [
        [0, 255]
    ]


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bits_are_rounded_alike_in_grey_and_colour(colour_type: int) -> None:
    count = CHANNELS[colour_type]
    values = np.arange(9 * 12 * count).reshape(9, 12, count) * 65535 // (9 * 12 * count - 1)
    if count in {2, 4}:
        values[..., -1] = 65535
    colours = values[..., :-1] if count in {2, 4} else values
    assert np.array_equal(
        decoded(png(values, 16, colour_type)) - (colours + 128) // 257, 0 * COLOUR
    )


def test_linear_values_become_srgb() -> None:
    linear = np.array([[0, 55, 127, 255]])
    data = png(linear, 8, 0, gAMA=struct.pack(">I", 100000))
    right = [0, 127, 187, 255]  # sRGB's curve: 1.055 * v ** (1 / 2.4) - 0.055
    assert np.abs(decoded(data)[0, :, 0] - right).max() <= 1
    marked = png(linear, 8, 0, gAMA=struct.pack(">I", 100000), sRGB=b"\0")
    assert decoded(marked)[0, :, 0].tolist() == [0, 55, 127, 255]


def test_the_usual_gamma_changes_nothing() -> None:
    data = png(COLOUR, 8, 2, gAMA=struct.pack(">I", 45455))
    assert np.array_equal(decoded(data), COLOUR)


def test_display_p3_is_converted() -> None:
    # The sRGB red in Display P3, 8 bits: (234, 51, 35).
    values = np.array([[[234, 51, 35], [128, 128, 128]]])
    found = decoded(png(values, 8, 2, cICP=bytes([12, 13, 0, 1])))
    assert np.abs(found[0] - [[255, 0, 0], [128, 128, 128]]).max() <= 3
    assert np.array_equal(decoded(png(values, 8, 2, cICP=bytes([1, 13, 0, 1]))), values)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((9, 16, 0, 1), "PQ"), ((9, 18, 0, 1), "HLG"), ((1, 13, 0, 0), "narrow range")],
)
def test_what_has_no_defined_white_is_refused(numbers: tuple[int, ...], words: str) -> None:
    with pytest.raises(ImageRejectedError, match=words):
        decode.decode(png(COLOUR, 8, 2, cICP=bytes(numbers)))


def test_a_made_profile_is_one_that_programs_read() -> None:
    profile = colour_space.profile_of(12, 13)
    assert profile is not None
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert ImageCms.getProfileDescription(opened).strip() == "pixd"


def test_a_profile_of_grey_counts_at_every_depth_and_with_alpha() -> None:
    # A linear grey: half of the light is 188 in sRGB.
    profile = grey_profile()
    for image in (
        Image.new("L", (2, 2), 128),
        Image.new("LA", (2, 2), (128, 255)),
        Image.fromarray(np.full((2, 2), 128 * 257, np.uint16)),
    ):
        data = encoded(image, icc_profile=profile)
        assert np.abs(decoded(data) - 188).max() <= 1, image.mode


def grey_profile() -> bytes:
    """Return an ICC profile of linear grey."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    curve = struct.pack(">4s4xI", b"curv", 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78)
    tags, table, content = {b"wtpt": white, b"kTRC": curve, b"desc": text}, b"", b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 36 + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = 132 + 36 + len(content)
    header = struct.pack(">I4xI", size, 0x02100000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp"
    return header + bytes(28) + white[8:] + bytes(48) + struct.pack(">I", 3) + table + content
