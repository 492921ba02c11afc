"""Whether outputs belong to their targets is told from a matrix of distances, without chance."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixd.pix2pix.learning import own_targets
from pixd.pix2pix.learning.own_targets import compare_with_others
from pixd.store import model_scores

Pixels = NDArray[np.uint8]


def scenes(count: int, seed: int = 0, size: int = 64) -> list[Pixels]:
    """Draw pictures of blocks."""
    blocks = np.random.default_rng(seed).integers(40, 216, (count, 8, 8, 3))
    return list(np.kron(blocks, np.ones((1, size // 8, size // 8, 1))).astype(np.uint8))


def faintly(targets: list[Pixels], share: float, seed: int = 5) -> list[Pixels]:
    """Return other pictures with a little of the targets in them."""
    others = scenes(len(targets), seed)
    return [
        np.rint((1 - share) * other + share * target).astype(np.uint8)
        for other, target in zip(others, targets, strict=True)
    ]


def is_unrelated(outputs: list[Pixels], targets: list[Pixels]) -> bool | None:
    return model_scores.is_unrelated({"others": compare_with_others(outputs, targets)})


def test_mean_and_variance_are_those_of_all_permutations() -> None:
    distances = np.random.default_rng(1).uniform(0, 9, (6, 6))
    sums = [distances[range(6), order].sum() for order in permutations(range(6))]
    expected = (np.mean(sums) - np.trace(distances)) / np.std(sums)
    assert own_targets.own_fit(distances) == pytest.approx(expected)


def test_perfect_outputs_are_as_far_from_chance_as_there_are_pairs() -> None:
    assert own_targets.own_fit(1.0 - np.eye(10)) == pytest.approx(9)


def test_hard_data_that_is_hardly_learned_is_told_from_pairs_that_do_not_match() -> None:
    targets = scenes(12)
    hardly = faintly(targets, 0.3)
    found = compare_with_others(hardly, targets)
    assert found is not None
    assert found["own_l1"] > 0.7 * found["l1"]  # it is hard: little better than another target
    assert is_unrelated(hardly, targets) is False
    assert is_unrelated(faintly(targets[1:] + targets[:1], 0.3), targets) is True


@pytest.mark.parametrize("seed", range(40))
def test_outputs_that_have_nothing_to_do_with_their_targets_seldom_pass(seed: int) -> None:
    targets, outputs = scenes(16, seed), scenes(16, 1000 + seed)
    found = compare_with_others(outputs, targets)
    assert found is not None
    assert found["z"] < 3.5
    assert found["z_possible"] > 10


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_with_few_pairs_nothing_is_claimed(count: int) -> None:
    assert is_unrelated(scenes(count, 1), scenes(count, 2)) is None
    assert is_unrelated(scenes(count, 1), scenes(count, 1)) is None


def test_targets_that_are_all_but_two_the_same_tell_nothing() -> None:
    targets = [scenes(1)[0]] * 18 + scenes(2, 7)
    assert is_unrelated(targets, targets) is None
    assert is_unrelated([targets[0]] * 20, [targets[0]] * 20) is None


def test_it_tells_the_same_at_any_size_and_leaves_the_random_numbers_alone() -> None:
    before = repr(np.random.get_state())  # noqa: NPY002 - the state that must not move
    small = compare_with_others(faintly(scenes(9), 0.3), scenes(9))
    large = compare_with_others(
        [np.kron(x, np.ones((4, 4, 1), np.uint8)) for x in faintly(scenes(9), 0.3)],
        [np.kron(x, np.ones((4, 4, 1), np.uint8)) for x in scenes(9)],
    )
    assert small is not None
    assert large is not None
    assert small == pytest.approx(large)
    assert repr(np.random.get_state()) == before  # noqa: NPY002
