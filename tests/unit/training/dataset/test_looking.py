from __future__ import annotations

import pytest

from pixd.training.dataset.looking import TELLING_S, Pace, Progress


@pytest.mark.parametrize(
    ("far", "text"),
    [
        (
            Progress("images", 4200, 20_000, 128.0),
            "looking at the images: 4,200 of 20,000, about 2 min left",
        ),
        (Progress("images", 0, 3, None), "looking at the images: 0 of 3"),
        (Progress("pairs", 1, 1999, 0.2), "comparing the pairs: 1 of 1,999, about 1 s left"),
        (Progress("pairs", 1, 2, 59.4), "comparing the pairs: 1 of 2, about 59 s left"),
        (Progress("pairs", 1, 2, 8000.0), "comparing the pairs: 1 of 2, about 2 h left"),
    ],
)
def test_how_far_it_is_has_a_number_and_a_time(far: Progress, text: str) -> None:
    assert far.text() == text


def test_the_time_that_is_left_follows_from_the_time_so_far() -> None:
    pace = Pace()
    assert pace.eta_s(100, 5.0) is None
    pace.note(0, 10.0)
    assert pace.eta_s(100, 10.0 + TELLING_S) is None  # nothing is done yet
    pace.note(20, 11.0)
    assert pace.eta_s(100, 11.0) is None  # one second says little
    pace.note(20, 14.0)
    assert pace.eta_s(100, 14.0) == pytest.approx(10.0)
