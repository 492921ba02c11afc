"""When a training stops because its scores get no better."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.patience import (
    AS_LONG_AGAIN,
    AT_LEAST,
    GROWTH,
    SPACING,
    Patience,
    of_recipe,
)

STEPS, EPOCH = 73_000, 365


def history(
    patience: Patience, distances: Iterable[float], sharpness: Iterable[float] = ()
) -> list[Best]:
    """Return validations with these L1 (at an SSIM of 0 they are the distance)."""
    sharp = list(sharpness)
    return [
        Best(step, distance, 0.0, sharp[at] if sharp else 1.0)
        for at, (step, distance) in enumerate(zip(patience.due, distances, strict=False))
    ]


def test_validations_come_at_steps_that_grow_and_at_the_last() -> None:
    due = Patience("auto", STEPS, EPOCH).due
    assert due[:3] == (SPACING, 2 * SPACING, 3 * SPACING)
    assert due[-1] == STEPS
    assert all(b >= a + SPACING or b == STEPS for a, b in pairwise(due))
    assert all(b <= GROWTH * a + SPACING for a, b in pairwise(due))
    assert len(due) < 50


def test_when_they_come_does_not_depend_on_how_many_steps_there_are() -> None:
    # A training that goes on from a shorter one scores itself where one longer training does.
    short, long = Patience("auto", 5_000, EPOCH).due, Patience("auto", STEPS, EPOCH).due
    assert short[:-1] == long[: len(short) - 1]


def test_it_goes_on_while_the_scores_get_better() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    falling = [100.0 * 0.9**at for at in range(len(patience.due))]
    for count in range(1, len(patience.due)):
        standing = patience.standing(history(patience, falling[:count]))
        assert not standing.stops
        assert standing.since == patience.due[count - 1]


def test_going_up_and_down_is_no_progress() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    noisy = [50.0, 42.0, 40.0, 42.0, 39.0, 41.0, 38.5, 41.5, 39.5, 40.5, 38.4, 41.0]
    told = [patience.standing(history(patience, noisy[:n])) for n in range(1, len(noisy) + 1)]
    assert told[-1].since == patience.due[2]
    assert [one.stops for one in told].index(True) == AT_LEAST - 1


def test_a_late_gain_moves_the_end_as_far_again() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    scores = [50.0] * 14 + [30.0]
    before = patience.standing(history(patience, scores[: AT_LEAST - 1]))
    assert before.stops_at == patience.due[AT_LEAST - 1]
    standing = patience.standing(history(patience, scores))
    assert standing.since == patience.due[14]
    assert standing.stops_at >= AS_LONG_AGAIN * patience.due[14]
    assert standing.stops_at in patience.due


def test_a_picture_that_becomes_clear_is_progress_though_its_distance_stands() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    told = patience.standing(history(patience, [40.0] * 12, [0.3] * 8 + [0.8] * 4))
    assert told.since == patience.due[8]


def test_gains_as_small_as_between_two_seeds_are_no_progress() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    creeping = [40.0 * 0.997**at for at in range(14)]
    assert patience.standing(history(patience, creeping[:11])).since == patience.due[0]
    told = patience.standing(history(patience, creeping))
    assert told.since == patience.due[11]  # where 3 % have added up


def test_sharper_than_the_targets_is_not_clearer() -> None:
    patience = Patience("auto", STEPS, EPOCH)
    told = patience.standing(history(patience, [40.0] * 12, [1.1] * 6 + [2.0] * 6))
    assert told.since == patience.due[0]


def test_every_pair_is_seen_ten_times_before_it_stops_by_itself() -> None:
    patience = Patience("auto", 4_000_000, 20_000)
    told = patience.standing(history(patience, [40.0] * 20))
    assert not told.stops
    assert told.stops_at >= 10 * 20_000
    assert Patience(3, 4_000_000, 20_000).standing(history(patience, [40.0] * 4)).stops


def test_a_number_of_validations_is_counted() -> None:
    patience = Patience(3, STEPS, EPOCH)
    scores = [50.0, 40.0, 40.0, 40.0, 40.0]
    assert [patience.standing(history(patience, scores[:n])).stops for n in range(1, 6)] == [
        *[False] * 4,
        True,
    ]
    assert patience.standing(history(patience, scores[:3])).stops_at == patience.due[4]


def test_it_never_goes_beyond_the_steps_that_were_asked_for() -> None:
    patience = Patience("auto", 1_000, EPOCH)
    assert patience.standing([]).stops_at == 1_000
    assert patience.standing(history(patience, [50.0, 40.0])).stops_at == 1_000


def test_scores_of_an_earlier_pixd_at_other_steps_count_too() -> None:
    patience = Patience(2, STEPS, EPOCH)
    earlier = [Best(7_300 * n, 40.0, 0.0, 1.0) for n in range(1, 4)]
    assert patience.standing(earlier).stops


@pytest.mark.parametrize(
    ("steps", "said", "is_patient"),
    [
        (None, {}, True),
        (None, {"patience": "never"}, False),
        (None, {"patience": 4}, True),
        (4_000, {}, False),
        (4_000, {"patience": "auto"}, True),
        (4_000, {"patience": 4}, True),
    ],
)
def test_epochs_are_a_guess_and_steps_a_wish(
    steps: int | None,
    said: dict[str, str | int],
    is_patient: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    found = of_recipe({"steps": steps, "batch_size": 1, **said}, 4_000, 100)
    assert (found is not None) is is_patient
