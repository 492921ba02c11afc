"""What scores say in words: beside what learned nothing, and what speaks against a model."""

from __future__ import annotations

from typing import Any

import pytest

from pixd.store import model_scores

OTHERS = {"n": 20, "own_l1": 45.1, "l1": 58.0, "z": 6.0, "z_possible": 15.0}
FACADES: dict[str, Any] = {
    "l1": 45.0, "held_out": 20, "others": OTHERS,
    "baselines": {"mean_target": {"l1": 45.4}, "identity": {"l1": 103.9}},
}  # fmt: skip
OF_BEFORE = {
    "l1": 45.0,
    "held_out": 20,
    "baselines": {"mean_target": {"l1": 1.2}, "identity": None},
}


def test_a_score_stands_beside_what_learned_nothing() -> None:
    assert model_scores.beside(FACADES) == (
        "the mean of all targets has 45.4, the input as it is 103.9,"
        " against the targets of other pairs it has 58.0"
    )
    assert model_scores.beside({"l1": None, "held_out": 0}) == ""


def test_hard_data_on_which_no_model_beats_the_mean_is_not_doubtful() -> None:
    assert model_scores.doubts(FACADES) == ""
    sharper = {
        **FACADES,
        "l1": 59.6,
    }  # as the nearest training pictures have it: sharp, and no blur
    assert model_scores.doubts(sharper) == ""


def test_outputs_that_fit_other_targets_as_well_are_doubtful() -> None:
    others = {**OTHERS, "l1": 45.2, "z": 0.6}
    told = model_scores.doubts({**FACADES, "others": others})
    assert "fit the targets of other pairs as well as their own (L1 45.2 and 45.1 of 255)" in told


def test_outputs_much_farther_off_than_the_mean_of_all_targets_are_doubtful() -> None:
    dark = {**FACADES, "l1": 12.5, "baselines": {"mean_target": {"l1": 0.2}}}
    assert "(L1 12.5 of 255) than the mean of all targets, which learned nothing (0.2)" in (
        model_scores.doubts(dark)
    )
    assert model_scores.doubts({**dark, "l1": 0.9}) == ""  # nobody sees that


@pytest.mark.parametrize(
    "others", [None, {**OTHERS, "z": 0.1, "z_possible": 5.0}, {**OTHERS, "z": None}]
)
def test_nothing_is_claimed_where_there_are_too_few_targets(others: Any) -> None:
    assert model_scores.is_unrelated({**FACADES, "others": others}) is None
    assert model_scores.doubts({**FACADES, "others": others}) == ""


def test_nothing_is_claimed_of_a_model_that_is_older_than_the_measurement() -> None:
    assert model_scores.doubts(OF_BEFORE) == ""
    assert model_scores.doubts({}) == ""
    assert model_scores.beside(OF_BEFORE) == "the mean of all targets has 1.2"
