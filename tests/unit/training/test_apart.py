"""How a model's settings differ from those of config.yaml, and the lines that end that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixd.config import PipelineSettings
from pixd.config.load import load
from pixd.training.apart import apart, config_lines
from pixd.training.recipe import train_recipe

PIPELINE = PipelineSettings(name="p", training=Path("t"), input=Path("i"), output=Path("o"))


def with_train(**settings: Any) -> PipelineSettings:
    return replace(PIPELINE, train=replace(PIPELINE.train, **settings))


@pytest.mark.parametrize(
    "model",
    [
        with_train(l1_weight=50.0, ngf=8),
        with_train(epochs=None, steps=40),
        with_train(flip=False, patience="never"),
        with_train(replicas=2, batch_size=2),
        replace(PIPELINE, image_size=64, train=with_train(seed=3).train),
    ],
)
def test_the_lines_make_config_yaml_ask_for_the_model(
    tmp_path: Path, model: PipelineSettings
) -> None:
    recipe = train_recipe(model, "auto")
    lines = list(config_lines(apart(recipe, train_recipe(PIPELINE, "auto"))))
    text = "training: ./t\ninput: ./i\noutput: ./o\n" + "\n".join(lines)
    (tmp_path / "config.yaml").write_text(text)
    assert isinstance(yaml.safe_load(text), dict)
    (read,) = load(tmp_path / "config.yaml").pipelines
    assert train_recipe(read, "auto") == recipe


def test_the_same_settings_need_no_line() -> None:
    recipe = train_recipe(PIPELINE, "auto")
    assert apart(recipe, recipe) == []
    assert list(config_lines([])) == []


def test_both_values_are_said() -> None:
    differing = apart(train_recipe(with_train(ngf=8), "auto"), train_recipe(PIPELINE, "auto"))
    assert [one.told for one in differing] == ["train.ngf is 8, in config.yaml 64"]


def test_a_number_of_steps_in_place_of_epochs_says_which_key_goes() -> None:
    model = train_recipe(with_train(epochs=None, steps=40), "auto")
    lines = list(config_lines(apart(model, train_recipe(PIPELINE, "auto"))))
    assert lines == ["train:", "  steps: 40", "  # and no epochs"]
