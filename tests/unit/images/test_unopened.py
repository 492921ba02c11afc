"""What is said of a file that no decoder opens."""

from __future__ import annotations

import struct
import zlib

import pytest

from pixd.images import decode, formats
from pixd.images.picture import TOO_MUCH_MEMORY, refusing
from pixd.system.errors import ImageRejectedError
from tests.support.images import encoded, gradient

PNG = encoded(gradient(8, 8))
AVIF = encoded(gradient(8, 8), "AVIF")
JPEG = encoded(gradient(8, 8), "JPEG")


def refusal(data: bytes, limits: decode.Limits = decode.DEFAULT_LIMITS) -> str:
    with pytest.raises(ImageRejectedError) as caught:
        decode.decode(data, limits)
    return caught.value.message


def of_bits(bits: int) -> bytes:
    frame = JPEG.index(b"\xff\xc0")
    return JPEG[: frame + 4] + bytes([bits]) + JPEG[frame + 5 :]


def of_colour(kind: int) -> bytes:
    header = PNG[12:25] + bytes([kind]) + PNG[26:29]
    return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


def avif_of(side: int) -> bytes:
    at = AVIF.index(b"ispe") + 8
    return AVIF[:at] + struct.pack(">II", side, side) + AVIF[at + 8 :]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"8BPS\0\1", "it is a Photoshop document, which pixd does not take: export it as PNG"),
        (b"<svg/>", "it is an SVG drawing, which pixd does not take: export it as PNG"),
        (
            b"\0\0\0\x0cjP  \r\n\x87\n",
            "it is a JPEG 2000 picture, which pixd does not take: export it as PNG or JPEG",
        ),
        (b"%PDF-1.7", "it is a PDF document, not a picture that pixd takes"),
        (of_bits(12), "it is a JPEG of 12 bits a sample, and only 8 are read: export it as PNG"),
    ],
)
def test_what_it_is_and_what_to_do_make_one_sentence(data: bytes, told: str) -> None:
    assert refusal(data) == told


@pytest.mark.parametrize(
    "data",
    [
        PNG.replace(b"\r\n", b"\n"),  # a server's end of line, in place of Windows'
        PNG.replace(b"\n", b"\r\n"),  # the other way
        PNG.replace(b"\x89", b"\t", 1),  # without the highest bit
        PNG.decode("utf-8", "replace").encode(),  # taken for UTF-8
    ],
)
def test_a_png_that_went_through_a_transfer_as_text_is_told_so(data: bytes) -> None:
    told = refusal(data)
    assert told.startswith("it is a PNG with a damaged signature")
    assert told.endswith("copy it again, as binary")


@pytest.mark.parametrize(("side", "most"), [(17_000, 64), (17_000, 128), (9_000, 64)])
def test_an_avif_over_the_limit_is_told_its_size(side: int, most: int) -> None:
    told = refusal(avif_of(side), decode.Limits.of_megapixels(most))
    megapixels = side * side // 1_000_000
    assert told.startswith(f"{side} x {side} is {megapixels} megapixels, over the limit of {most};")


def test_an_avif_that_its_decoder_never_opens_is_told_that_limit() -> None:
    told = refusal(avif_of(17_000), decode.Limits.of_megapixels(1000))
    assert told.endswith("over the limit of 268 of the AVIF decoder")


def test_a_decoder_that_finds_no_memory_is_told_in_the_usual_words() -> None:
    with pytest.raises(ImageRejectedError) as caught, refusing():
        raise RuntimeError("Pixel allocation failed: Out of memory")
    assert caught.value.message == TOO_MUCH_MEMORY


@pytest.mark.parametrize("data", [of_colour(1), AVIF[:40]])
def test_a_file_that_begins_as_a_picture_is_not_told_the_formats(data: bytes) -> None:
    told = refusal(data)
    assert "it begins as a" in told
    assert told.endswith("copy it again, or export it as PNG")


def test_the_formats_that_are_told_are_those_that_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "is_available", lambda kind: kind.extra is None)
    without = refusal(b"no picture")
    assert without.endswith("GIF, AVIF; HEIC with pip install 'pixd[heic]')")
    monkeypatch.setattr(formats, "is_available", lambda _kind: True)
    assert refusal(b"no picture").endswith("GIF, AVIF, HEIC)")
