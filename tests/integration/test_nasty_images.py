"""Awkward real files: each is taken or refused as its manifest says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd import images
from pixd.errors import ImageRejectedError

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "nasty"

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="the awkward files are not part of the project"
)


def rows() -> list[dict[str, str]]:
    if not FOLDER.exists():
        return []
    with (FOLDER / "MANIFEST.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["basis"] == "must"]


def decoded(name: str) -> Image.Image:
    return images.decode((FOLDER / name).read_bytes())


def difference(one: str, other: str) -> float:
    first, second = (np.asarray(decoded(name).resize((256, 256)), float) for name in (one, other))
    return float(np.abs(first - second).mean())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"][:40])
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
