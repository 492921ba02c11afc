"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pixd.system.wording import counted, duration, size


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1.0, "1 run"), (0.5, "0.5 runs")],
)
def test_a_noun_agrees_with_its_number(number: float, told: str) -> None:
    assert counted(number, "run") == told


def test_a_large_number_keeps_all_its_digits() -> None:
    assert counted(12_345_678, "file") == "12345678 files"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.9, "0 s"),
        (59, "59 s"),
        (190, "3 min 10 s"),
        (600, "10 min"),
        (3660, "1 h 01 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_of_time_has_one_or_two_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"), [(999, "999 B"), (1000, "1.0 kB"), (4_995_647, "5.0 MB"), (2e12, "2.0 TB")]
)
def test_a_number_of_bytes_has_a_decimal_unit(number: float, told: str) -> None:
    assert size(number) == told
