"""What goes into a key: a pipeline that uses nothing new has the keys that it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.config import PipelineSettings, TrainSettings
from pixd.store import recipes
from pixd.training import recipe
from pixd.translation import recipe as translation_recipe


def pipeline(**settings: object) -> PipelineSettings:
    folders = {name: Path(name) for name in ("training", "input", "output")}
    return PipelineSettings(name="p", **folders, **settings)  # type: ignore[arg-type]


def translate(pairs: str = "side-by-side", **settings: object) -> dict[str, object]:
    return translation_recipe.translate_recipe(pipeline(**settings), "auto", 256, pairs)


def test_a_default_pipeline_translates_under_the_recipe_that_it_always_had() -> None:
    # Written out: another digest here makes every output of every user due again.
    assert recipes.recipe_body("translate", translate()) == (
        '{"fit":"pad","image_size":256,"output_size":"model","precision":"auto","sample":false,'
        '"seed":0,"stage":"translate"}'
    )
    assert recipes.recipe_body("train", recipe.train_recipe(pipeline(), "auto")) == (
        '{"batch_size":1,"beta_1":0.5,"direction":"AtoB","epochs":200,"fit":"pad","flip":true,'
        '"gan_weight":1.0,"image_size":256,"jitter":true,"l1_weight":100.0,"learning_rate":0.0002,'
        '"ndf":64,"ngf":64,"pairs":"side-by-side","precision":"auto","seed":0,"stage":"train",'
        '"steps":null,"validation":0.1}'
    )


def test_the_alpha_is_of_the_recipe_where_it_is_kept_and_the_limit_never() -> None:
    assert translate(alpha="keep")["alpha"] == "keep"
    assert "alpha" not in translate(alpha="drop")
    assert translate(max_megapixels=500) == translate()
    train = recipe.train_recipe(pipeline(alpha="keep", max_megapixels=500), "auto")
    assert train == recipe.train_recipe(pipeline(), "auto")


def test_tiles_are_of_both_recipes() -> None:
    assert translate(fit="tile")["fit"] == "tile"
    assert recipe.train_recipe(pipeline(fit="tile"), "auto")["fit"] == "tile"


def test_a_model_of_blanks_gets_no_tiles_until_another_takes_its_place() -> None:
    assert translate("blank", fit="tile")["fit"] == "pad"


def test_replicas_are_part_of_a_recipe_only_where_there_are_several() -> None:
    # Recipes from before the setting existed keep their digests, and their models.
    assert "replicas" not in recipe.train_recipe(pipeline(), "float32")
    two = pipeline(train=TrainSettings(batch_size=2, replicas=2))
    assert recipe.train_recipe(two, "float32")["replicas"] == 2


@pytest.mark.parametrize("pairs", ["side-by-side", "folders", "edges"])
def test_a_translation_of_what_comes_as_it_is_says_nothing_of_pairs(pairs: str) -> None:
    assert "pairs" not in translate(pairs)


@pytest.mark.parametrize("pairs", ["grayscale", "blank", "colorization"])
def test_a_translation_that_makes_its_input_says_how(pairs: str) -> None:
    assert translate(pairs)["pairs"] == pairs


@pytest.mark.parametrize("said", ["auto", "full", "16"])
def test_all_bits_and_labels_in_colours_are_in_no_recipe(said: str) -> None:
    as_ever = pipeline(value_range=said, labels="colours")
    assert recipe.train_recipe(as_ever, "auto") == recipe.train_recipe(pipeline(), "auto")


def test_inputs_are_read_as_the_model_was_trained_whatever_the_settings_say_now() -> None:
    trained = recipe.train_recipe(pipeline(value_range="12", labels="ids"), "auto")
    assert (trained["value_range"], trained["labels"]) == (12, "ids")
    now = pipeline(value_range="14")
    read = translation_recipe.translate_recipe(now, "auto", 256, "folders", trained)
    assert (read["value_range"], read["labels"]) == (12, "ids")
    before = recipe.train_recipe(pipeline(), "auto")
    assert translation_recipe.translate_recipe(now, "auto", 256, "folders", before) == translate()


def test_patience_is_part_of_a_recipe_only_where_it_is_not_the_usual() -> None:
    def said(**train: object) -> object:
        made = pipeline(train=TrainSettings(**train))  # type: ignore[arg-type]
        return recipe.train_recipe(made, "auto").get("patience")

    by_steps = {"epochs": None, "steps": 400}
    assert said() is said(patience="auto") is None
    assert said(**by_steps) is said(**by_steps, patience="never") is None
    assert said(patience="never") == "never"
    assert said(patience=5) == said(**by_steps, patience=5) == 5
