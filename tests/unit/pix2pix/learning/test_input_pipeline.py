"""Batches are a function of the seed and the step, and treat both halves alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixd.images import lab
from pixd.images.edges import EdgesMissingError
from pixd.pix2pix.learning import input_pipeline
from pixd.pix2pix.learning.input_pipeline import Prefetcher, TrainingPairs
from pixd.pix2pix.network import codec
from pixd.system.children.task import DataError, describe_error

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


def test_squares_are_cut_at_the_scale_of_the_pair(tmp_path: Path) -> None:
    recipe = {**RECIPE, "fit": "tile", "batch_size": 1, "flip": False}
    spec = write_pairs(tmp_path, 1)
    with Image.open(spec[0]["images"][0]) as image:
        halves = np.asarray(image)[:, :48], np.asarray(image)[:, 48:]
    corners = set()
    pairs = TrainingPairs(spec, recipe)
    for step in range(40):
        cut = [codec.to_uint8(half[0]) for half in pairs.batch_of(step)]
        places = [
            (top, left) for top in range(17) for left in range(17)
            if np.array_equal(halves[0][top : top + 32, left : left + 32], cut[0])
        ]  # fmt: skip
        ((top, left),) = places
        assert np.array_equal(halves[1][top : top + 32, left : left + 32], cut[1])
        corners.add((top, left))
    assert len(corners) > 30
    # The one that it is judged by is in the middle, and always the same.
    judged = input_pipeline.load_pair(spec[0], recipe, 32)
    assert all(np.array_equal(a, b[8:40, 8:40]) for a, b in zip(judged, halves, strict=True))


def test_a_target_of_another_size_is_brought_to_its_input(tmp_path: Path) -> None:
    for side, size in (("a", (50, 40)), ("b", (100, 80))):
        Image.linear_gradient("L").resize(size).convert("RGB").save(tmp_path / f"{side}.png")
    pair = {"name": "x", "images": [str(tmp_path / "a.png"), str(tmp_path / "b.png")]}
    recipe = {**RECIPE, "fit": "tile", "pairs": "folders"}
    for load in (input_pipeline.load_pair, input_pipeline.load_whole_pair):
        input_image, target = load(pair, recipe, 32)
        assert input_image.shape == target.shape
        assert np.abs(input_image.astype(int) - target).max() < 8


def test_a_pair_smaller_than_the_model_gets_its_edges_repeated(tmp_path: Path) -> None:
    recipe = {**RECIPE, "fit": "tile", "image_size": 64, "flip": False}
    spec = write_pairs(tmp_path, 1)
    inputs, _ = TrainingPairs(spec, recipe).batch_of(0)
    assert inputs.shape == (2, 64, 64, 3)
    assert np.array_equal(inputs[0], inputs[1])  # there is one place for the square
    assert (inputs[0, :9] == inputs[0, 8]).all()


@pytest.mark.parametrize("pairs", ["edges", "grayscale", "colorization"])
def test_an_input_is_made_of_the_square_that_was_cut(tmp_path: Path, pairs: str) -> None:
    from pixd.images import input_makers

    spec = write_pairs(tmp_path, 2)
    whole = TrainingPairs(spec, {**RECIPE, "fit": "tile", "pairs": pairs})
    inputs, _ = whole.batch_of(3)
    given = TrainingPairs(spec, {**RECIPE, "fit": "tile", "pairs": "grayscale"}).batch_of(3)[1]
    for made, target in zip(inputs, codec.to_uint8(given), strict=True):
        expected = codec.codec_for(pairs).input_values(input_makers.input_of(target, pairs))
        assert np.allclose(made, expected, atol=1e-6)


def test_pairs_at_their_scale_are_kept_as_far_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, spec = {**RECIPE, "fit": "tile"}, write_pairs(tmp_path, 4)
    kept = TrainingPairs(spec, recipe)
    monkeypatch.setattr(input_pipeline, "CACHE_MAX_BYTES", 2 * (2 * 3 * 48 * 48))
    some = TrainingPairs(spec, recipe)
    for step in range(6):
        assert np.array_equal(kept.batch_of(step)[0], some.batch_of(step)[0])
    assert len(kept._kept) == 4
    assert len(some._kept) == 2


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
