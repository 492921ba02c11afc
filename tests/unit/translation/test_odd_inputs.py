"""Inputs whose values are not those that the model learned from are named, all in one line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pixd.images.value_use import ValueUse
from pixd.translation.odd_inputs import compare

BRIGHT = {"low": 0, "high": 255, "bits": 8, "labels": False, "white": 65535}
IDS = ValueUse(8, 0, 12, 10, (1 << 13) - 1)
DARK = ValueUse(8, 3, 40)
TWELVE = ValueUse(16, 0, 4095)


def said(learned: Mapping[str, object] | None, odd: list[ValueUse], count: int) -> str:
    found = compare(learned, odd, count)
    return found.message if found else ""


def test_class_ids_dropped_on_a_model_of_coloured_maps_are_named() -> None:
    assert said(BRIGHT, [IDS] * 12, 12) == (
        "12 of 12 inputs use 0 to 12 of 255, although the model learned from pictures that use 0 to"
        " 255: class ids?"
    )
    found = compare(BRIGHT, [IDS], 1)
    assert found is not None
    assert found.message.startswith("1 of 1 inputs uses")
    assert "colour-labels" in found.advice


def test_twelve_bits_dropped_on_a_model_of_sixteen_are_named() -> None:
    words = "use 0 to 4095 of 65535, although the model learned from pictures that use 0 to 65535"
    assert words in said({**BRIGHT, "high": 65535, "bits": 16}, [TWELVE] * 3, 3)
    assert "0 to 255 of 255: 12 bit?" in said(BRIGHT, [TWELVE] * 3, 3)


@pytest.mark.parametrize(
    ("learned", "odd"),
    [
        ({"low": 0, "high": 12, "bits": 8, "labels": True, "white": 65535}, IDS),
        ({"low": 0, "high": 4095, "bits": 16, "labels": False, "white": 65535}, TWELVE),
        ({"low": 0, "high": 60, "bits": 8, "labels": False, "white": 65535}, DARK),
        (None, IDS),  # of a training that an earlier pixd looked at
    ],
)
def test_what_the_model_learned_from_is_not_odd(
    learned: Mapping[str, object] | None, odd: ValueUse
) -> None:
    assert said(learned, [odd] * 12, 12) == ""


def test_a_few_nights_among_many_days_are_let_be() -> None:
    assert said(BRIGHT, [DARK] * 4, 100) == ""
    assert said(BRIGHT, [DARK] * 5, 100).startswith("5 of 100 inputs use 3 to 40 of 255")


def test_inputs_brighter_than_the_range_that_was_learned_are_named() -> None:
    twelve = {"low": 0, "high": 4095, "bits": 16, "labels": False, "white": 4095}
    assert said(twelve, [ValueUse(16, 0, 65535)] * 2, 2) == (
        "2 of 2 inputs use up to 65535, and what is above 4095 is white"
    )
