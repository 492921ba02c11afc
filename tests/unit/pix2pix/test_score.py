"""What is scored is read as the pipeline reads it: by the bits in use, class ids in colours."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from pixd.images.palette import usual_palette
from pixd.pix2pix import score
from pixd.system.children.child import Events
from pixd.system.children.spec import ScoreSpec
from pixd.system.children.spec_parts import ScoredPair, Triple

SIZE = 32


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)


def in_12_bits(values: np.ndarray, path: Path) -> str:
    scaled = (values.astype(np.uint32) * 4095 + 127) // 255
    Image.fromarray(scaled.astype(np.uint16)).save(path)
    return str(path)


def in_8_bits(values: np.ndarray, path: Path) -> str:
    Image.fromarray(values).save(path)
    return str(path)


def test_12_bit_pairs_are_scored_by_their_white(tmp_path: Path) -> None:
    triples: list[Triple] = []
    train: list[ScoredPair] = []
    made = {}
    for seed in range(3):
        name = f"{seed}.png"
        given = in_12_bits(picture(seed), tmp_path / f"input-{name}")
        target = in_12_bits(255 - picture(seed), tmp_path / f"target-{name}")
        triples.append({"name": name, "input": given, "target": target})
        train.append({"input": given, "target": target})
        made[name] = in_8_bits(255 - picture(seed), tmp_path / f"output-{name}")
    spec = ScoreSpec(
        run_id="r", size=SIZE, triples=triples, train=train, runs={"perfect": made}, bits=12
    )
    events = Events(os.open(os.devnull, os.O_WRONLY))
    rows = score.rows_of(spec, events)
    events.close()
    assert rows["perfect"]["l1"] < 0.5
    assert rows["nearest input"]["l1"] == 0
    assert rows["identity"]["l1"] > 100  # as far apart as a picture and its negative


@pytest.mark.parametrize("is_pair", [False, True])
def test_class_ids_are_scored_in_their_colours(tmp_path: Path, *, is_pair: bool) -> None:
    ids = picture(0) % 13
    target = picture(1)
    if is_pair:
        path = in_8_bits(np.concatenate([ids, target], axis=1), tmp_path / "pair.png")
        given = score.load_training_pair({"pair": path}, "AtoB", SIZE, are_ids=True)[0]
    else:
        given = score.load(in_8_bits(ids, tmp_path / "ids.png"), SIZE, are_ids=True)
    palette = usual_palette()
    colours = np.array([ImageColor.getrgb(palette[number]) for number in range(13)], np.uint8)
    assert np.array_equal(given, colours[ids])


def test_an_input_that_has_colours_is_taken_as_it_is(tmp_path: Path) -> None:
    coloured = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    given = score.load(in_8_bits(coloured, tmp_path / "c.png"), SIZE, are_ids=True)
    assert np.array_equal(given, coloured)
