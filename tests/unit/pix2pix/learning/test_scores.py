"""Scores: what they are on images whose score is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixd.pix2pix.learning import scores as metrics
from pixd.pix2pix.learning.best import Best


def noise(seed: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_equal_images_score_perfectly() -> None:
    image = noise(1)
    assert metrics.score([(image, image)]) == {
        "l1": 0.0,
        "psnr": metrics.PSNR_EQUAL_DB,
        "ssim": pytest.approx(1.0),
        "sharpness": pytest.approx(1.0),
        "n": 1,
    }


def test_an_offset_of_ten_is_an_l1_of_ten_and_28_decibels() -> None:
    target = np.full((16, 16, 3), 100, np.uint8)
    scores = metrics.score([(target + 10, target)])
    assert scores["l1"] == pytest.approx(10.0)
    assert scores["psnr"] == pytest.approx(28.13, abs=0.01)


def test_a_blurred_image_is_less_sharp() -> None:
    target = noise(2)
    blurred = (target.astype(float) + np.roll(target, 1, 0) + np.roll(target, 1, 1)) / 3
    assert (metrics.sharpness(blurred, target) or 1) < 0.8


def test_a_target_of_one_colour_has_no_say_in_how_sharp_pictures_are() -> None:
    faint = np.random.default_rng(5).integers(0, 3, (32, 32, 3), dtype=np.uint8)  # nobody sees it
    black = np.zeros_like(faint)
    sharp = [(noise(6), noise(7)), (noise(8), noise(9))]
    expected = metrics.score(sharp)["sharpness"]
    assert metrics.score([*sharp, (faint, black)])["sharpness"] == pytest.approx(expected)
    assert metrics.score([(faint, black)])["sharpness"] == 1.0
    best = Best.of(1, metrics.score([*sharp, (black, black)]))
    fog = [(np.full_like(target, 127), target) for _, target in sharp]
    assert not Best.of(2, metrics.score([*fog, (faint, black)])).is_clearer_than(best)
    assert best.is_clearer_than(Best.of(2, metrics.score([*fog, (faint, black)])))


def test_a_fine_weave_is_sharp_from_near_and_not_at_a_glance() -> None:
    target = np.kron(noise(3, 16), np.ones((8, 8, 1), np.uint8))  # 128 px
    rows, columns = np.indices((128, 128))
    weave = np.repeat(100 + 40 * ((rows + columns) % 2)[..., None], 3, axis=2).astype(np.uint8)
    assert (metrics.sharpness(weave, target) or 0) > 1
    assert metrics.coarse_sharpness(weave, target) == pytest.approx(0.0)
    assert metrics.coarse_sharpness(target, target) == pytest.approx(1.0)


def test_giving_the_input_back_is_told_from_translating() -> None:
    given, target = [noise(3)], [noise(4)]
    nearly = [np.clip(given[0].astype(int) + 3, 0, 255).astype(np.uint8)]
    assert metrics.is_identity_like(nearly, given, target)
    assert not metrics.is_identity_like(target, given, target)
    assert not metrics.is_identity_like(given, given, given)  # where that is what is asked for
    assert not metrics.is_identity_like([], [], [])


def test_no_pairs_score_nothing() -> None:
    assert metrics.score([]) == {"l1": None, "psnr": None, "ssim": None, "sharpness": None, "n": 0}


def test_outputs_that_are_flat_or_all_alike_have_collapsed() -> None:
    inputs = [noise(seed) for seed in range(4)]
    flat = [np.full((32, 32, 3), 40 * at, np.uint8) for at in range(4)]
    assert metrics.is_collapsed(flat, inputs)
    assert metrics.is_collapsed([noise(9)] * 4, inputs)
    assert not metrics.is_collapsed([noise(seed) for seed in range(10, 14)], inputs)


def test_one_output_for_one_input_has_not_collapsed() -> None:
    assert not metrics.is_collapsed([noise(9)], [noise(1)])
    assert not metrics.is_collapsed([noise(9)] * 3, [noise(1)] * 3)


def test_a_thinned_curve_keeps_its_end_and_every_validation() -> None:
    curve = [{"step": step, "gen_l1_loss": 1.0} for step in range(1000)]
    curve[501] = {"step": 501, "validation_l1": 2.0}
    thinned = metrics.thin(curve, 100)
    assert len(thinned) <= 101
    assert thinned[-1] == curve[-1]
    assert curve[501] in thinned
    assert metrics.thin([], 10) == []
