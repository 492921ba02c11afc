"""Awkward real files: each is taken or refused as its manifest says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.folders.ignored import is_ignored
from pixd.images import decode
from pixd.system.errors import ImageRejectedError

ROOT = Path(__file__).parents[3]
FOLDER = ROOT.parent / "shared" / "data" / "nasty"

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the awkward files are not part of the project"
)


def rows(basis: str) -> list[dict[str, str]]:
    if not FOLDER.exists():
        return []
    with (FOLDER / "MANIFEST.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["basis"] == basis]


POLICIES = {
    "avif_irot_irot1.avif": ("taken", "EXIF orientation | applied"),
    "jpeg_arithmetic.jpg": ("taken", "JPEG with arithmetic coding | converted"),
    "png_bad_xcsn0g01.png": ("refused", "a PNG with a wrong checksum"),
    "png_display_p3_icc.png": ("taken", "ICC profile | converted to sRGB"),
    "apng_41_frames.png": ("taken", "APNG, WebP, AVIF sequences | the first frame"),
    "png_truncated_end_chunk.png": ("refused", "or without its end"),
    "gif_animated_31.gif": ("taken", "animated GIF"),
    "avif_sequence_5.avifs": ("taken", "AVIF sequences | the first frame"),
    "heic_phone.heic": ("either", "HEIC"),
    "tiff_float32.tiff": ("refused", "TIFF of floating-point, signed or 32-bit values | refused"),
    "tga_rgba_rle.tga": ("refused", "*TGA* has no mark by which"),
    "jp2_lossless.jp2": ("refused", "*JPEG 2000* comes from no camera"),
    "ico_16.ico": ("refused", "*ICO* holds one picture in several sizes"),
    "photoshop_named.png": ("refused", "known by its content, never by its name"),
    "facade_strip_4000x8.png": ("taken", "4000 x 8, 1 x 1) | taken"),
    "facade_no_extension": ("taken", "also without a suffix"),
    "png_12000x9000_1bit.png": ("refused", "over 64 megapixels, over 256 MiB | refused"),
    "upload.jpg.part": ("ignored", "`*.part` and other unfinished downloads"),
    "._facade.jpg": ("ignored", "`._*` and the like | not looked at"),
    ".DS_Store": ("ignored", "dot-files"),
    "L" * 240 + ".jpg": ("taken", "too long for the added\nsuffix (over 255 bytes) is refused"),
}
"""What was decided where the manifest leaves it open, and where docs/images.md says so. The
long name is refused for the name of its output, not for its picture."""


@pytest.mark.parametrize("row", rows("policy"), ids=lambda row: row["file"][:40])
def test_every_policy_row_has_a_decision_that_is_documented_and_kept(row: dict[str, str]) -> None:
    decision, documented = POLICIES[row["file"]]
    assert documented in (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    assert is_ignored(row["file"]) == (decision == "ignored")
    if decision == "taken":
        assert decoded(row["file"]).mode == "RGB"
    elif decision == "refused":
        with pytest.raises(ImageRejectedError) as caught:
            decoded(row["file"])
        assert caught.value.message


def test_what_the_usual_limit_refuses_a_raised_one_takes() -> None:
    data = (FOLDER / "png_12000x9000_1bit.png").read_bytes()
    picture = decode.open_picture(data, decode.Limits.of_megapixels(108))
    assert picture.size == (12_000, 9_000)
    assert picture.rows(8_999, 9_000).size == (12_000, 1)


def decoded(name: str) -> Image.Image:
    return decode.decode((FOLDER / name).read_bytes())


def difference(one: str, other: str) -> float:
    first, second = (np.asarray(decoded(name).resize((256, 256)), float) for name in (one, other))
    return float(np.abs(first - second).mean())


@pytest.mark.parametrize("row", rows("must"), ids=lambda row: row["file"][:40])
def test_every_must_row_does_as_the_manifest_says(row: dict[str, str]) -> None:
    if row["expected"] == "translate":
        assert decoded(row["file"]).mode == "RGB"
    else:
        with pytest.raises(ImageRejectedError):
            decoded(row["file"])


def test_the_eight_orientations_look_alike() -> None:
    for number in range(2, 9):
        # Each has its number burnt in, so "alike" is not "equal".
        assert difference("exif_orientation_1.jpg", f"exif_orientation_{number}.jpg") < 4


@pytest.mark.parametrize(
    ("one", "other", "limit"),
    [
        ("facade_photo_grey16.png", "facade_photo_grey8.png", 2),
        # The palette file itself is 3.25 away from its twin: that is its quantising.
        ("facade_input_palette.png", "facade_input_reference.png", 3.3),
        ("facade_input_rgba_opaque.png", "facade_input_reference.png", 2),
        ("jpeg_cmyk_adobe.jpg", "jpeg_rgb_twin_of_cmyk.jpg", 8),
    ],
)
def test_twins_agree(one: str, other: str, limit: float) -> None:
    assert difference(one, other) < limit
