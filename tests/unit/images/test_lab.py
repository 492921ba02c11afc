"""L*a*b* goes there and back, and agrees with others who compute it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pixd.images import lab


def colours(step: int) -> NDArray[np.uint8]:
    """Return every `step`-th level of each channel with each of the others, (n, n, n, 3)."""
    levels = np.arange(0, 256, step, dtype=np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)


def test_every_colour_comes_back_within_one() -> None:
    for red in range(0, 256, 5):
        both = colours(3).reshape(-1, 3)[:7396].copy()
        both[:, 0] = red
        back = lab.to_rgb(lab.from_rgb(both))
        assert np.abs(back.astype(int) - both).max() <= 1
    every = colours(15)
    assert np.array_equal(lab.to_rgb(lab.from_rgb(every)), every)


def test_known_colours_have_the_known_values() -> None:
    # http://www.brucelindbloom.com/index.html?ColorCalculator.html, sRGB, D65
    known = {
        (255, 255, 255): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86),
    }
    for rgb, expected in known.items():
        assert lab.from_rgb(np.array(rgb, np.uint8)) == pytest.approx(expected, abs=0.02)


def test_opencv_agrees() -> None:
    every = colours(5).reshape(-1, 52, 3)
    theirs = cv2.cvtColor(every.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    # Its tables are off by up to 0.43 in a*, for dark colours.
    assert np.abs(theirs - lab.from_rgb(every)).max() < 0.6
    assert np.abs(theirs - lab.from_rgb(every)).mean() < 0.15


def test_the_icc_profile_of_srgb_agrees() -> None:
    # ICC's Lab is of white D50: L* of greys is the same, of colours nearly.
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    theirs = ImageCms.profileToProfile(
        Image.fromarray(greys),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert theirs is not None
    ours = lab.from_rgb(greys)[0]
    assert np.abs(np.asarray(theirs)[0, :, 0] / 2.55 - ours[:, 0]).max() < 0.6


def test_greys_have_no_colour_and_stay_as_they_are() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert np.abs(lab.from_rgb(greys)[:, 1:]).max() < 1e-3
    assert np.array_equal(lab.grey_of(greys), greys[:, 0])
    assert lab.lightness_of_grey(greys[:, 0]) == pytest.approx(lab.from_rgb(greys)[:, 0], abs=1e-3)


def test_the_grey_of_a_colour_is_as_light_as_it() -> None:
    every = colours(15)
    difference = lab.lightness_of_grey(lab.grey_of(every)) - lab.from_rgb(every)[..., 0]
    assert np.abs(difference).max() < 0.3


def test_a_picture_on_its_own_lightness_is_itself() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (300, 7, 3), dtype=np.uint8)  # more rows than a band
    back = lab.with_lightness(pixels, lab.grey_of(pixels)).astype(int)
    # The lightness went through 8 bits, so that bright channels may be off by some.
    assert np.abs(back - pixels).mean() < 1
    grey = np.full((300, 7), 77, np.uint8)
    assert (
        np.abs(lab.grey_of(lab.with_lightness(pixels // 8 + 70, grey)).astype(int) - 77).max() < 2
    )
