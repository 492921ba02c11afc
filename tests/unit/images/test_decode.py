"""The Pillow border: whatever comes in, an upright 8-bit sRGB picture or a reason comes out."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixd.images import decode, fitting, pair_files, picture, png
from pixd.system.errors import ImageRejectedError
from tests.support.images import encoded, gradient


def reason_or_picture(data: bytes) -> str:
    """Return "" for an RGB picture, or the reason of the refusal, which must not be empty."""
    try:
        mode = decode.decode(data).mode
    except ImageRejectedError as error:
        return error.message or pytest.fail("refused without a reason")
    return "" if mode == "RGB" else pytest.fail(f"a picture of mode {mode}")


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    decoded = decode.decode(encoded(image))
    assert decoded.getpixel((0, 0)) == (10, 20, 30)
    assert decoded.getpixel((3, 3)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    decoded = np.asarray(decode.decode(encoded(Image.fromarray(values))))
    assert decoded[0, 0, 0] == 0
    assert decoded[-1, -1, 0] == 255
    assert abs(int(decoded[8, 0, 0]) - 128) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    upright = gradient(24, 16)
    # What a camera stores: the picture turned the other way.
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = picture.orientation_applied(upright, back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode.decode(encoded(stored, exif=exif))
    assert np.array_equal(np.asarray(decoded), np.asarray(upright))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_cut_anywhere_is_refused_or_decoded_but_never_crashes(kind: str) -> None:
    whole = encoded(gradient(60, 40), kind)
    refused = 0
    for length in range(0, len(whole) - 20, max(1, len(whole) // 60)):
        refused += reason_or_picture(whole[:length]) != ""
    assert refused > 40


def test_a_png_with_a_wrong_checksum_is_refused() -> None:
    data = bytearray(encoded(gradient(60, 40)))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(ImageRejectedError, match="checksum"):
        decode.decode(bytes(data))


@given(st.binary(max_size=300))
def test_rubbish_gets_a_reason(data: bytes) -> None:
    with pytest.raises(ImageRejectedError) as caught:
        decode.decode(data)
    assert caught.value.message


@given(st.data())
def test_a_flipped_bit_gives_a_picture_or_a_reason(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"]))
    whole = bytearray(encoded(gradient(20, 12), kind))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    reason_or_picture(bytes(whole))


def test_too_many_pixels_are_refused_from_the_header() -> None:
    data = encoded(Image.new("1", (9000, 8000)))
    with pytest.raises(ImageRejectedError, match="72 megapixels"):
        decode.decode(data)


sizes = st.integers(1, 300)


@given(sizes, sizes, st.sampled_from(["pad", "crop", "stretch"]))
def test_the_model_gets_its_square_and_the_source_its_size_back(
    width: int, height: int, fit: str
) -> None:
    array, framing = fitting.to_model(gradient(width, height), 64, fit)
    assert array.shape == (64, 64, 3)
    assert fitting.from_model(array, framing, "model").size == (64, 64)
    source = fitting.from_model(array, framing, "source").size
    side = min(width, height)
    assert source == ((side, side) if fit == "crop" else (width, height))


@pytest.mark.parametrize("size", [(64, 64), (64, 40), (30, 64), (32, 32)])
def test_padding_and_back_gives_the_picture_back(size: tuple[int, int]) -> None:
    image = gradient(*size)
    array, framing = fitting.to_model(image, 64, "pad")
    back = fitting.from_model(array, framing, "source")
    difference = np.abs(np.asarray(back, int) - np.asarray(image, int))
    assert difference.mean() < 2


def test_direction_says_which_half_is_the_input() -> None:
    import tempfile
    from pathlib import Path

    both = Image.new("RGB", (64, 32), (255, 0, 0))
    both.paste((0, 0, 255), (32, 0, 64, 32))
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        both.save(file.name)
        one, two = pair_files.load_pair([Path(file.name)], "side-by-side", "AtoB", 32, "pad")
        assert tuple(one[0, 0]) == (255, 0, 0)
        assert tuple(two[0, 0]) == (0, 0, 255)
        swapped = pair_files.load_pair([Path(file.name)], "side-by-side", "BtoA", 32, "pad")
        assert np.array_equal(swapped[0], two)
        assert np.array_equal(swapped[1], one)


def test_the_same_picture_is_encoded_to_the_same_bytes_with_its_text() -> None:
    image, text = gradient(20, 20), {"b": "2", "pixd:model": "sha256:1"}
    data = png.encode_png(image, text)
    assert data == png.encode_png(image, dict(reversed(text.items())))
    with Image.open(BytesIO(data)) as decoded:
        assert decoded.text == text  # type: ignore[attr-defined]
        assert np.array_equal(np.asarray(decoded), np.asarray(image))
