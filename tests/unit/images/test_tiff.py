"""TIFF: what the tags say and Pillow's modes do not, is right or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pixd.images import decode
from pixd.system.errors import ImageRejectedError
from tests.support.images import encoded, gradient
from tests.support.tiff_files import Tags, page, pages, tiff

GREY = np.asarray(gradient(12, 9).convert("L")).astype(int)
COLOUR = np.asarray(gradient(12, 9)).astype(int)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(decode.decode(data)).astype(int)


def shown(data: bytes, right: np.ndarray) -> None:
    expected = right if right.ndim == 3 else np.repeat(right[..., None], 3, -1)
    assert np.array_equal(decoded(data), expected)


def reason(data: bytes) -> str:
    with pytest.raises(ImageRejectedError) as caught:
        decode.decode(data)
    return caught.value.message


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_white_is_zero(bits: int) -> None:
    most = (1 << bits) - 1
    values = GREY * most // 255
    shown(tiff(most - values, bits, 0), np.rint(values * 255 / most).astype(int))


def test_white_is_zero_at_16_bits_with_compression() -> None:
    image = Image.fromarray((65535 - GREY * 257).astype(np.uint16))
    shown(encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={262: 0}), GREY)


def test_twelve_bits_a_sample_have_4095_for_white() -> None:
    values = np.rint(GREY * 4095 / 255).astype(int)
    shown(tiff(values, 12, 1), GREY)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_sixteen_bits_a_colour_are_rounded_as_grey_is(order: str, *, compressed: bool) -> None:
    values = np.arange(12 * 9 * 3).reshape(9, 12, 3) * 65535 // (12 * 9 * 3 - 1)
    right = (values + 128) // 257
    if not compressed:
        shown(tiff(values, 16, 2, order=order), right)
    else:
        import zlib

        raw = zlib.compress(values.astype(f"{order}u2").tobytes())
        tags: Tags = {259: ("H", [8])}
        shown(tiff(values, 16, 2, order=order, tags=tags, raw=raw), right)


def with_fourth(fourth: np.ndarray) -> np.ndarray:
    return np.concatenate([COLOUR, fourth[..., None]], -1)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_fourth_band_that_says_nothing_is_no_transparency(bits: int) -> None:
    scale = 1 if bits == 8 else 257
    data = tiff(with_fourth(255 - GREY) * scale, bits, 2)
    shown(data, COLOUR)
    assert not decode.open_picture(data).has_alpha


@pytest.mark.parametrize("bits", [8, 16])
def test_a_fourth_band_that_is_alpha_is_transparency(bits: int) -> None:
    scale, alpha = (1 if bits == 8 else 257), np.where(GREY > 90, 255, 0)
    data = tiff(with_fourth(alpha) * scale, bits, 2, tags={338: ("H", [2])})
    shown(data, np.where(alpha[..., None] == 255, COLOUR, 255))
    assert decode.open_picture(data).has_alpha
    assert np.array_equal(np.asarray(decode.open_picture(data).alpha()), alpha)


@pytest.mark.parametrize("bits", [8, 16])
def test_colours_multiplied_by_their_alpha_are_divided_again(bits: int) -> None:
    most, alpha = (1 << bits) - 1, np.full_like(GREY, 128)
    values = with_fourth(alpha) * (most // 255)
    values[..., :3] = values[..., :3] * 128 // 255
    data = tiff(values, bits, 2, tags={338: ("H", [1])})
    right = COLOUR * 128 / 255 + 255 * 127 / 255
    assert np.abs(decoded(data) - right).max() <= 1.5


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_planes_one_after_the_other(bits: int, order: str) -> None:
    data = tiff(COLOUR * (1 if bits == 8 else 257), bits, 2, planar=2, order=order)
    shown(data, COLOUR)


def test_a_palette_of_8_bit_colours_is_not_black() -> None:
    colours = [*range(256), *range(255, -1, -1), *([7] * 256)]
    data = tiff(GREY, 8, 3, tags={320: ("H", colours)})
    shown(data, np.stack([GREY, 255 - GREY, np.full_like(GREY, 7)], -1))


SUBFILE = 254


def test_the_picture_is_taken_and_not_its_thumbnail() -> None:
    small = page(GREY[:4, :4], tags={SUBFILE: ("I", [1])})
    shown(pages([small, page(GREY, tags={SUBFILE: ("I", [0])})]), GREY)
    shown(pages([page(GREY), small]), GREY)


def test_two_pages_that_say_nothing_give_the_first() -> None:
    shown(pages([page(GREY[:4, :4]), page(GREY)]), GREY[:4, :4])


def test_a_page_that_is_too_large_is_refused_behind_a_thumbnail() -> None:
    small = page(GREY[:4, :4], tags={SUBFILE: ("I", [1])})
    large = page(GREY, tags={256: ("I", [9000]), 257: ("I", [8000])})
    assert "72 megapixels" in reason(pages([small, large]))


REFUSED: dict[str, tuple[bytes, str]] = {
    "signed, 8 bits": (tiff(GREY, 8, tags={339: ("H", [2])}), "signed"),
    "signed, 16 bits": (tiff(GREY, 16, tags={339: ("H", [2])}), "signed whole numbers of 16 bits"),
    "32 bits": (tiff(GREY, 32), "whole numbers of 32 bits"),
    "float": (tiff(GREY, 32, tags={339: ("H", [3])}), "floating point"),
    "10 bits": (tiff(GREY, 10), r"grey, 1 sample of 10 bits"),
    "grey and alpha of 16 bits": (
        tiff(np.stack([GREY, GREY], -1), 16, tags={338: ("H", [2])}),
        "2 samples of 16 bits, 1 of them extra",
    ),
    "no photometric": (tiff(GREY, without=[262]), "whether 0 is black or white"),
    "inks": (tiff(with_fourth(GREY), 8, 5, tags={332: ("H", [2])}), "inks"),
    "old alpha": (tiff(with_fourth(GREY), 8, 2, tags={32995: ("H", [1])}), "Matteing"),
    "camera": (tiff(GREY, tags={50706: ("B", [1, 4, 0, 0])}), "camera's raw file"),
    "preview": (
        tiff(GREY, tags={SUBFILE: ("I", [1]), 330: ("I", [8])}),
        "camera's raw file",
    ),
    "sensor": (tiff(GREY, 16, 32803), "camera's raw file"),
    "JPEG 2000": (tiff(GREY, tags={259: ("H", [34712])}), "JPEG 2000 compression"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_be_read_wrong_is_refused_by_name(kind: str) -> None:
    data, words = REFUSED[kind]
    message = reason(data)
    assert words in message
    assert "save it" in message or "develop it" in message or "floating" in message
