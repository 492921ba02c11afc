"""Batches are a function of the seed and the step, and treat both halves alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd import lab
from pixd.edges import EdgesMissingError
from pixd.pix2pix import codec, input_pipeline
from pixd.pix2pix.input_pipeline import Prefetcher, TrainingPairs
from pixd.pix2pix.runtime import DataError, describe_error

RECIPE: dict[str, Any] = {
    "pairs": "side-by-side",
    "direction": "AtoB",
    "image_size": 32,
    "fit": "stretch",
    "epochs": 2,
    "steps": None,
    "batch_size": 2,
    "jitter": True,
    "flip": True,
    "seed": 7,
}


def write_pairs(folder: Path, count: int, *, is_equal: bool = False) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    pairs = []
    for number in range(count):
        halves = random.integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
        if is_equal:
            halves[1] = halves[0]
        path = folder / f"{number}.png"
        Image.fromarray(np.concatenate(list(halves), axis=1)).save(path)
        pairs.append({"name": path.name, "images": [str(path)]})
    return pairs


def test_a_pair_of_equal_halves_stays_equal_through_a_thousand_jitters(tmp_path: Path) -> None:
    pairs = TrainingPairs(write_pairs(tmp_path, 2, is_equal=True), RECIPE)
    for step in range(500):  # two images each
        input_image, target = pairs.batch_of(step)
        assert np.array_equal(input_image, target)


def test_jitter_crops_everywhere_and_flips_half_of_the_time() -> None:
    ramp = np.arange(36 * 36 * 3, dtype=np.int64).reshape(36, 36, 3).astype(np.uint8)
    random = np.random.default_rng(0)
    crops = [input_pipeline.random_jitter(ramp, ramp, 32, random, flip=True)[0] for _ in range(400)]
    corners = {crop.tobytes() for crop in crops}
    assert len(corners) == 5 * 5 * 2
    flipped = sum(int(crop[0, 1, 0]) - int(crop[0, 0, 0]) in (-3, 253) for crop in crops)
    assert 150 < flipped < 250


def test_direction_swaps_the_halves(tmp_path: Path) -> None:
    spec = write_pairs(tmp_path, 3)
    forward = TrainingPairs(spec, RECIPE).batch_of(0)
    backward = TrainingPairs(spec, {**RECIPE, "direction": "BtoA"}).batch_of(0)
    assert np.array_equal(forward[0], backward[1])
    assert np.array_equal(forward[1], backward[0])


def test_every_epoch_sees_every_pair_once_in_an_order_of_its_own() -> None:
    orders = [input_pipeline.epoch_order(7, epoch, 20).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != input_pipeline.epoch_order(8, 0, 20).tolist()


def test_a_prefetcher_that_starts_late_gives_what_an_early_one_gives_then(tmp_path: Path) -> None:
    spec = write_pairs(tmp_path, 3)
    batches: list[list[NDArray[np.float32]]] = []
    for start in (0, 5):
        with Prefetcher(TrainingPairs(spec, RECIPE), start=start, steps=9) as prefetcher:
            batches.append([input_image for input_image, _ in prefetcher])
    assert len(batches[0]) == 9
    assert all(np.array_equal(a, b) for a, b in zip(batches[0][5:], batches[1], strict=True))


def test_pairs_that_do_not_fit_into_memory_give_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_pairs(tmp_path, 3)
    kept = TrainingPairs(spec, RECIPE)
    monkeypatch.setattr(input_pipeline, "CACHE_MAX_BYTES", 100)
    decoded_again = TrainingPairs(spec, RECIPE)
    for step in range(4):
        assert np.array_equal(kept.batch_of(step)[0], decoded_again.batch_of(step)[0])


def test_without_jitter_the_pixels_are_the_resized_ones(tmp_path: Path) -> None:
    recipe = {**RECIPE, "jitter": False, "flip": False, "batch_size": 1}
    spec = write_pairs(tmp_path, 1)
    input_image, _ = TrainingPairs(spec, recipe).batch_of(0)
    pixels, _ = input_pipeline.load_pair(spec[0], recipe, 32)
    assert np.array_equal(codec.to_uint8(input_image[0]), pixels)
    assert input_image.min() >= -1.0
    assert input_image.max() <= 1.0


def test_a_blank_is_in_the_middle_of_what_was_cropped(tmp_path: Path) -> None:
    spec = write_pairs(tmp_path, 1)
    inputs, targets = TrainingPairs(spec, {**RECIPE, "pairs": "blank"}).batch_of(0)
    first, last = 11, 21  # 10 of 32 px
    assert (inputs[:, first:last, first:last] == 1).all()
    inputs[:, first:last, first:last] = targets[:, first:last, first:last]
    assert np.array_equal(inputs, targets)
    assert not (targets == 1).all()


def test_a_batch_of_lightness_and_colours_is_what_the_networks_take(tmp_path: Path) -> None:
    spec = write_pairs(tmp_path, 1)
    inputs, targets = TrainingPairs(spec, {**RECIPE, "pairs": "colorization"}).batch_of(0)
    assert inputs.shape == (2, 32, 32, 1)
    assert targets.shape == (2, 32, 32, 2)
    _, pixels = TrainingPairs(spec, {**RECIPE, "pairs": "grayscale"}).batch_of(0)
    known = lab.from_rgb(codec.to_uint8(pixels))
    assert np.abs(inputs[..., 0] - (known[..., 0] / 50 - 1)).max() < 0.6 / 50
    assert np.abs(targets - known[..., 1:] / 110).max() < 1e-6


def test_outlines_without_opencv_fail_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_pairs(tmp_path, 1)
    TrainingPairs(spec, {**RECIPE, "pairs": "edges"})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EdgesMissingError) as caught:
        TrainingPairs(spec, {**RECIPE, "pairs": "edges"})
    told = describe_error(caught.value)
    assert told["message"] == "`pairs: edges` needs OpenCV, which is not installed"
    assert told["advice"] == "pip install 'pixd[edges]', then `pixd retry`"


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(codec.to_uint8(codec.to_float(every)), every)


def test_epochs_become_steps() -> None:
    assert input_pipeline.steps_of(RECIPE, 5) == 5
    assert input_pipeline.steps_of({**RECIPE, "batch_size": 4}, 5) == 3
    assert input_pipeline.steps_of({**RECIPE, "steps": 12}, 5) == 12


def test_a_pair_that_is_no_image_names_itself(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    pairs = TrainingPairs([{"name": "sub/bad.png", "images": [str(tmp_path / "bad.png")]}], RECIPE)
    with (
        Prefetcher(pairs, start=0, steps=1) as prefetcher,
        pytest.raises(DataError, match=r"sub/bad\.png"),
    ):
        list(prefetcher)


def test_no_pairs_at_all_is_said() -> None:
    with pytest.raises(DataError, match="no pairs"):
        TrainingPairs([], RECIPE)
