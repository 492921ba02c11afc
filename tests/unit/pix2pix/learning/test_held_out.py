"""Held-out pairs are decoded once, within bounds, and stay the same to the bit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.pix2pix.learning import held_out, input_pipeline
from pixd.pix2pix.learning.held_out import HeldOut

RECIPE = {"pairs": "side-by-side", "direction": "AtoB", "fit": "pad"}
SIZE = 32
PAIR_BYTES = 2 * 3 * SIZE**2


@pytest.fixture
def pairs(tmp_path: Path) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    made = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (96, 192, 3), dtype=np.uint8)).save(path)
        made.append({"name": path.name, "images": [str(path)]})
    return made


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()

    def load(pair: Any, recipe: Any, size: int) -> held_out.Pair:
        counts[f"{pair['name']} {size}"] += 1
        return input_pipeline.load_pair(pair, recipe, size)

    monkeypatch.setattr(held_out, "load_pair", load)
    return counts


def nothing() -> None:
    pass


def test_a_pair_that_is_scored_often_is_decoded_once(
    pairs: list[dict[str, Any]], decoded: Counter[str]
) -> None:
    kept = HeldOut(pairs, RECIPE, SIZE, nothing)
    rounds = [list(kept.decoded(limit)) for limit in (2, 4, 4)]
    assert set(decoded.values()) == {1}
    assert len(decoded) == 4
    fresh = [input_pipeline.load_pair(pair, RECIPE, SIZE) for pair in pairs]
    for found in rounds:
        for ours, expected in zip(found, fresh, strict=False):
            assert all(map(np.array_equal, ours, expected))
            assert ours[0].dtype == np.uint8


def test_what_does_not_fit_into_the_room_is_decoded_again(
    pairs: list[dict[str, Any]], decoded: Counter[str]
) -> None:
    kept = HeldOut(pairs, RECIPE, SIZE, nothing, room_bytes=3 * PAIR_BYTES - 1)
    for _ in range(3):
        assert len(list(kept.decoded(4))) == 4
    assert [decoded[f"{number}.png {SIZE}"] for number in range(4)] == [1, 1, 3, 3]


def test_the_live_models_pairs_are_the_same_where_its_size_is(
    pairs: list[dict[str, Any]], decoded: Counter[str]
) -> None:
    kept = HeldOut(pairs, RECIPE, SIZE, nothing)
    list(kept.decoded(4))
    list(kept.at_size(SIZE).decoded(4))
    assert kept.at_size(64).size == 64
    assert next(kept.at_size(64).decoded(1))[0].shape == (64, 64, 3)
    assert set(decoded.values()) == {1}


def test_the_service_hears_of_it_and_may_stop_it_between_pairs_that_are_kept(
    pairs: list[dict[str, Any]],
) -> None:
    beats = []
    kept = HeldOut(pairs, RECIPE, SIZE, lambda: beats.append(1))
    for _ in range(2):
        list(kept.decoded(4))
    assert len(beats) == 8


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch", "tile"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("kind", ["side-by-side", "folders", "grayscale"])
def test_a_target_alone_is_the_target_of_its_pair(
    kind: str, direction: str, fit: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    paths = []
    shapes = {"folders": [(60, 90), (40, 60)], "side-by-side": [(48, 96)]}.get(kind, [(50, 70)])
    for number, shape in enumerate(shapes):
        paths.append(str(tmp_path / f"{number}.png"))
        pixels = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    recipe = {"pairs": kind, "direction": direction, "fit": fit}
    kept = HeldOut([{"name": "x", "images": paths}], recipe, SIZE, nothing)
    (alone,) = kept.targets(1)
    ((_, target),) = kept.decoded(1)
    assert np.array_equal(alone, target)
    (again,) = kept.targets(1)
    assert again is target
