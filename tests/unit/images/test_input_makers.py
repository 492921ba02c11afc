"""Inputs that pixd makes: the same each time, of the right shape, and what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd.config.pair_kinds import KINDS
from pixd.images import edges, input_makers, pair_files
from pixd.images.demo_set import facade_pair

Pixels = NDArray[np.uint8]
MADE = [name for name, kind in KINDS.items() if kind.is_made]
MADE_AGAIN = [name for name in MADE if KINDS[name].takes_pictures]


@pytest.fixture(scope="module")
def facade() -> Pixels:
    return np.asarray(facade_pair(3, 128)[1])


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("pairs", MADE)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (37, 64), (8, 400)])
def test_an_input_has_the_shape_of_its_picture_and_is_made_the_same_each_time(
    pairs: str, shape: tuple[int, int]
) -> None:
    pixels = noise(*shape)
    before = pixels.copy()
    made = input_makers.input_of(pixels, pairs)
    assert made.shape == pixels.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, input_makers.input_of(pixels, pairs))
    assert np.array_equal(pixels, before)


def test_every_kind_of_made_pairs_has_a_maker() -> None:
    assert {"edges", "grayscale", "blank", "colorization"} <= set(MADE)
    for name in MADE:
        assert input_makers.input_of(noise(8, 8), name).shape == (8, 8, 3)


@pytest.mark.parametrize("pairs", ["side-by-side", "folders"])
def test_given_inputs_are_not_made(pairs: str) -> None:
    assert not KINDS[pairs].is_made
    assert input_makers.input_for_translation(noise(8, 8), pairs).tolist() == noise(8, 8).tolist()


@pytest.mark.parametrize("pairs", MADE_AGAIN)
def test_what_is_dropped_is_made_as_the_training_made_it(pairs: str, facade: Pixels) -> None:
    made = input_makers.input_of(facade, pairs)
    assert np.array_equal(input_makers.input_for_translation(facade, pairs), made)
    # Made of what was made it is the same: a grey picture, or one with a blank, may be dropped.
    assert np.array_equal(input_makers.input_for_translation(made, pairs), made)


def test_a_drawing_is_taken_as_it_is(facade: Pixels) -> None:
    drawing = input_makers.input_of(facade, "edges")
    assert input_makers.input_for_translation(drawing, "edges") is drawing


def test_grey_is_what_pillow_calls_luma(facade: Pixels) -> None:
    made = input_makers.grey(facade)
    assert np.array_equal(made, np.asarray(Image.fromarray(facade).convert("L").convert("RGB")))


def test_the_blank_is_white_in_the_middle_and_nothing_else_changes() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    made = input_makers.with_blank_centre(pixels)
    assert (made[35:65, 35:65] == 255).all()
    made[35:65, 35:65] = 0
    assert not made.any()


def test_the_blank_stays_in_the_middle_of_a_jittered_pair() -> None:
    target = noise(32, 32)
    moved = input_makers.input_of(noise(36, 36), "blank")[4:, :32]
    made = input_makers.input_after_jitter(moved, target, "blank")
    assert np.array_equal(made, input_makers.input_for_translation(target, "blank"))
    assert input_makers.input_after_jitter(moved, target, "grayscale") is moved


def test_outlines_are_dark_thin_lines_on_white(facade: Pixels) -> None:
    drawn = edges.outlines(facade)
    assert (drawn[..., 0] == drawn[..., 2]).all()
    dark = (drawn[..., 0] < 128).mean()
    assert 0.03 < dark < 0.25
    assert np.median(drawn) == 255
    assert (drawn[..., 0] < 40).any()


def test_outlines_are_where_the_borders_are() -> None:
    pixels = np.full((128, 128, 3), 60, np.uint8)
    pixels[30:90, 40:100] = (200, 60, 60)
    dark = edges.outlines(pixels)[..., 0] < 128
    rows, columns = np.nonzero(dark)
    assert set(rows[columns == 70]) <= {28, 29, 30, 31, 88, 89, 90, 91}
    assert {29, 30} & set(rows[columns == 70])
    assert {89, 90} & set(rows[columns == 70])
    assert not dark[40:80, 50:90].any()
    assert not dark[:20].any()


def test_a_border_of_colour_alone_is_drawn() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:] = (200, 0, 0)
    pixels[16:48, 16:48] = (0, 102, 0)  # the same luma
    assert (edges.outlines(pixels) < 128).any()


def test_flat_pictures_and_faint_noise_give_white_paper() -> None:
    assert (edges.outlines(np.full((64, 64, 3), 90, np.uint8)) == 255).all()
    faint = (90 + noise(64, 64) % 3).astype(np.uint8)
    assert (edges.outlines(faint) == 255).all()


def test_specks_are_dropped() -> None:
    pixels = np.full((128, 128, 3), 230, np.uint8)
    pixels[60:62, 60:62] = 20
    assert (edges.outlines(pixels) == 255).all()


def test_more_strength_draws_more(facade: Pixels) -> None:
    ink = [255 - edges.outlines(facade, strength).mean() for strength in (0.0, 0.5, 1.0)]
    assert ink == sorted(ink)
    assert ink[0] < 0.8 * ink[2]


def test_a_dim_picture_gets_the_lines_of_the_bright_one(facade: Pixels) -> None:
    bright, dim = (edges.outlines(p) < 128 for p in (facade, facade // 2 + 10))
    assert (bright & dim).sum() > 0.6 * bright.sum()


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for make in (lambda: input_makers.require("edges"), lambda: edges.outlines(noise(8, 8))):
        with pytest.raises(edges.EdgesMissingError) as caught:
            make()
        assert "pip install 'pixd[edges]'" in caught.value.advice
    input_makers.require("blank")


@pytest.mark.parametrize("pairs", MADE)
def test_a_pair_is_a_single_picture_of_any_shape(pairs: str, tmp_path: Path) -> None:
    Image.fromarray(noise(40, 90)).save(tmp_path / "wide.png")
    for direction in ("AtoB", "BtoA"):
        made, target = pair_files.load_pair([tmp_path / "wide.png"], pairs, direction, 32, "pad")
        assert target.shape == (32, 32, 3)
        assert np.array_equal(made, input_makers.input_of(target, pairs))
