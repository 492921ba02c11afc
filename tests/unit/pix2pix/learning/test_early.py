"""When an early model is tried, and which is worth showing."""

from __future__ import annotations

from typing import Any

import pytest

from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.early import LAST_SHARE, Times, why_not

MINUTE = 60.0


def tries(times: Times, minutes: float, *, share: float = 0.1, every_s: float = 1.0) -> list[float]:
    """Return the minutes at which a training of so many minutes tries."""
    found = []
    for second in range(int(minutes * MINUTE / every_s) + 1):
        now = 1000.0 + second * every_s
        if times.is_due(now, share):
            times.done(now)
            found.append(second * every_s / MINUTE)
    return found


def test_tries_come_at_times_that_grow() -> None:
    assert tries(Times(MINUTE, has_one=True), 300) == [1, 2, 3, 10, 30, 60, 120, 240]


def test_while_nothing_was_worth_showing_there_are_more() -> None:
    found = tries(Times(MINUTE), 300)
    assert found == [1, 2, 3, 4.5, 6.7, 10, 15, 22, 30, 60, 120, 240]


def test_after_the_first_model_the_extra_tries_end() -> None:
    times = Times(MINUTE, trained_s=4.4 * MINUTE, tried_s=3 * MINUTE)
    assert tries(times, 0.2) == pytest.approx([0.1])
    times.has_one = True
    assert not times.is_due(1000.0 + 5.5 * MINUTE, 0.1)  # 9.9 minutes are trained
    assert times.is_due(1000.0 + 5.7 * MINUTE, 0.1)


def test_a_resumed_training_goes_on_counting() -> None:
    times = Times(MINUTE, trained_s=2.5 * MINUTE, tried_s=2 * MINUTE, has_one=True)
    assert tries(times, 10) == [0.5, 7.5]


def test_a_try_that_was_cut_off_comes_again_at_once() -> None:
    assert tries(Times(MINUTE, trained_s=3 * MINUTE, tried_s=2 * MINUTE), 1) == [0.0]


def test_time_in_which_nothing_was_trained_does_not_count() -> None:
    times = Times(MINUTE)
    times.trained_s(0.0)
    times.pause(50.0)
    assert not times.is_due(100.0, 0.1)
    assert times.is_due(110.0, 0.1)


def test_several_times_that_passed_in_one_step_are_one_try() -> None:
    times = Times(MINUTE)
    times.trained_s(0.0)
    times.done(11 * MINUTE)
    assert not times.is_due(14.9 * MINUTE, 0.1)
    assert times.is_due(15 * MINUTE, 0.1)


def test_near_its_end_a_training_tries_no_more() -> None:
    assert tries(Times(MINUTE), 5, share=LAST_SHARE + 0.01) == []


def test_without_a_first_time_there_are_none() -> None:
    assert tries(Times(0.0), 300) == []


def scores(**changes: Any) -> dict[str, Any]:
    """Return the scores of a picture that is worth showing."""
    return {
        "l1": 50.0,
        "ssim": 0.2,
        "sharpness": 0.9,
        "coarse_sharpness": 0.8,
        "collapsed": False,
        "identity_like": False,
        "others": {"z": 6.0, "z_possible": 20.0},
        "baselines": {
            "identity": {"l1": 100.0, "ssim": 0.07, "sharpness": 0.6},
            "mean_target": {"l1": 45.0, "ssim": 0.26, "sharpness": 0.1},
        },
        **changes,
    }


def test_a_sharp_picture_of_its_own_input_is_worth_showing() -> None:
    assert why_not(scores(), None, 300) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"l1": None}, "held out"),
        ({"collapsed": True}, "the same everywhere"),
        ({"identity_like": True}, "the input as it is"),
        ({"l1": 120.0}, "the input as it is"),
        ({"others": {"z": 1.0, "z_possible": 20.0}}, "other pairs"),
        ({"sharpness": 0.2}, "the mean of all targets"),
        ({"coarse_sharpness": 0.3}, "the mean of all targets"),
        ({"l1": 60.0}, "the mean of all targets"),
    ],
)
def test_what_is_not_worth_showing_is_told(changes: dict[str, Any], told: str) -> None:
    assert told in why_not(scores(**changes), None, 300)


def test_a_soft_picture_that_is_clearly_nearer_than_the_mean_is_worth_showing() -> None:
    assert why_not(scores(l1=30.0, sharpness=0.2), None, 300) == ""


def test_what_is_no_better_than_the_one_before_is_not() -> None:
    before = Best(100, 49.0, 0.25, 0.9)
    assert "that of step 100" in why_not(scores(), before, 300)
    assert why_not(scores(l1=48.0, ssim=0.25), before, 300) == ""


def test_one_that_shows_clearly_more_at_a_glance_is_better_at_the_same_distance() -> None:
    before = Best(100, 49.0, 0.25, 0.45)
    assert why_not(scores(), before, 300) == ""
