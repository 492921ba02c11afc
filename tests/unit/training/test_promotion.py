"""The gate: who may go live, and the numbers in the reason."""

from __future__ import annotations

from typing import Any

import pytest

from pixd.training import promotion

GOOD: dict[str, Any] = {"l1": 40.0, "held_out": 20, "live": {"l1": 41.0}}


def test_the_first_model_is_promoted() -> None:
    decision = promotion.decide("if-better", {"l1": 90.0, "held_out": 20}, has_live=False)
    assert decision.promote
    assert "90.00" in decision.why


def test_a_better_one_is_promoted_with_both_scores() -> None:
    decision = promotion.decide("if-better", GOOD, has_live=True)
    assert decision.promote
    assert "40.00 against 41.00" in decision.why
    assert "20 pairs" in decision.why


def test_one_that_is_worse_by_more_than_the_spread_of_seeds_is_not() -> None:
    decision = promotion.decide("if-better", {**GOOD, "l1": 45.0}, has_live=True)
    assert not decision.promote
    assert decision.why.startswith("worse")


def test_one_that_is_worse_by_less_than_the_spread_of_seeds_is() -> None:
    assert promotion.decide("if-better", {**GOOD, "l1": 41.5}, has_live=True).promote


@pytest.mark.parametrize(("ssim", "is_promoted"), [(0.40, True), (0.36, True), (0.34, False)])
def test_one_that_lost_structure_is_not_promoted_although_its_l1_is_near(
    ssim: float, *, is_promoted: bool
) -> None:
    metrics = {**GOOD, "l1": 42.0, "ssim": ssim, "live": {"l1": 41.0, "ssim": 0.4}}
    decision = promotion.decide("if-better", metrics, has_live=True)
    assert decision.promote is is_promoted
    assert ("SSIM 0.340 against 0.400" in decision.why) is not is_promoted


def test_too_few_pairs_to_compare_promotes_and_says_so() -> None:
    decision = promotion.decide("if-better", {"l1": None, "held_out": 0}, has_live=True)
    assert decision.promote
    assert "too few pairs" in decision.why


@pytest.mark.parametrize("mode", ["if-better", "always"])
@pytest.mark.parametrize(
    "bad", [{"collapsed": True}, {"identity_like": True}, {"l1": float("nan")}]
)
def test_a_broken_one_is_never_promoted_by_itself(mode: str, bad: dict[str, Any]) -> None:
    assert not promotion.decide(mode, {**GOOD, **bad}, has_live=False).promote


def test_new_pairs_that_may_be_wrong_do_not_judge() -> None:
    common = {"n": 6, "l1": 50.0, "live": {"l1": 41.0}}
    decision = promotion.decide("if-better", {**GOOD, "common": common}, has_live=True)
    assert not decision.promote
    assert "50.00 against 41.00" in decision.why
    assert "the 6 of 20 pairs that it held out too" in decision.why


@pytest.mark.parametrize("count", [0, 3, 20])
def test_too_few_common_pairs_or_all_of_them_mean_the_scores_of_all(count: int) -> None:
    common = {"n": count, "l1": 50.0, "live": {"l1": 41.0}}
    decision = promotion.decide("if-better", {**GOOD, "common": common}, has_live=True)
    assert decision.promote
    assert "the same 20 pairs" in decision.why


def test_manual_leaves_it_to_a_person() -> None:
    decision = promotion.decide("manual", GOOD, has_live=False)
    assert not decision.promote
    assert "pixd promote" in decision.why


UNRELATED = {"n": 20, "own_l1": 40.0, "l1": 40.1, "z": 0.3, "z_possible": 15.0}
RELATED = {**UNRELATED, "l1": 60.0, "z": 9.0}


@pytest.mark.parametrize("mode", ["if-better", "always"])
def test_a_first_model_that_learned_nothing_of_its_pairs_goes_live_with_a_warning(
    mode: str,
) -> None:
    decision = promotion.decide(mode, {**GOOD, "others": UNRELATED}, has_live=False)
    assert decision.promote
    assert "doubtful: its outputs fit the targets of other pairs as well" in decision.why


@pytest.mark.parametrize(
    ("live", "is_promoted"),
    [
        ({"others": RELATED}, False),
        ({"others": UNRELATED}, True),
        ({}, True),
        ({"others": None}, True),
    ],
)
def test_it_does_not_replace_a_model_whose_outputs_fit_their_own_targets(
    live: dict[str, Any], *, is_promoted: bool
) -> None:
    metrics = {**GOOD, "others": UNRELATED, "live": {"l1": 41.0, **live}}
    decision = promotion.decide("if-better", metrics, has_live=True)
    assert decision.promote is is_promoted
    assert "targets of other pairs" in decision.why
    related = promotion.decide("if-better", {**metrics, "others": RELATED}, has_live=True)
    assert related.promote
    assert "doubtful" not in related.why


def test_one_held_out_pair_is_told_as_one() -> None:
    assert promotion._score({"l1": 42.95, "held_out": 1}) == ", held-out L1 42.95 on 1 pair"
