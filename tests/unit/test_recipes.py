"""A recipe names what changes the result, and says nothing of a setting that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pixd import recipes
from pixd.config import PipelineSettings, TrainSettings

SETTINGS = PipelineSettings(name="p", training=Path("t"), input=Path("i"), output=Path("o"))


def test_replicas_are_part_of_a_recipe_only_where_there_are_several() -> None:
    # Recipes from before the setting existed keep their digests, and their models.
    assert "replicas" not in recipes.train_recipe(SETTINGS, "float32")
    two = replace(SETTINGS, train=TrainSettings(batch_size=2, replicas=2))
    assert recipes.train_recipe(two, "float32")["replicas"] == 2


@pytest.mark.parametrize("pairs", ["side-by-side", "folders", "edges"])
def test_a_translation_of_what_comes_as_it_is_says_nothing_of_pairs(pairs: str) -> None:
    assert "pairs" not in recipes.translate_recipe(SETTINGS, "float32", 256, pairs)


@pytest.mark.parametrize("pairs", ["grayscale", "blank", "colorization"])
def test_a_translation_that_makes_its_input_says_how(pairs: str) -> None:
    assert recipes.translate_recipe(SETTINGS, "float32", 256, pairs)["pairs"] == pairs
