"""Variants of the training settings: which are read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.config import PipelineSettings, variants
from pixd.config.settings import TrainSettings
from pixd.system.errors import UsageError

PIPELINE = PipelineSettings(name="p", training=Path("t"), input=Path("i"), output=Path("o"))


def told(*asked: str, pipeline: PipelineSettings = PIPELINE) -> list[str]:
    return [variants.told(one.settings) for one in variants.read(pipeline, asked)]


def test_every_choice_of_one_value_for_each_key_is_a_variant() -> None:
    assert told("train.l1_weight=50,100", "train.ngf=32,64") == [
        "l1_weight 50, ngf 32",
        "l1_weight 50, ngf 64",
        "l1_weight 100, ngf 32",
        "l1_weight 100, ngf 64",
    ]


def test_only_what_is_asked_for_differs_from_config_yaml() -> None:
    (variant,) = variants.read(PIPELINE, ["train.flip=false"])
    assert variant.pipeline.train == TrainSettings(flip=False)
    assert variant.pipeline.train.l1_weight == PIPELINE.train.l1_weight


def test_steps_take_the_place_of_epochs_and_back() -> None:
    (variant,) = variants.read(PIPELINE, ["train.steps=500"])
    assert (variant.pipeline.train.steps, variant.pipeline.train.epochs) == (500, None)
    (back,) = variants.read(variant.pipeline, ["train.epochs=3"])
    assert (back.pipeline.train.steps, back.pipeline.train.epochs) == (None, 3)


def test_the_same_choice_twice_is_one_variant() -> None:
    assert told("train.l1_weight=50,50.0,5e1") == ["l1_weight 50"]


def test_as_many_as_allowed_are_read_and_one_more_is_refused() -> None:
    seeds = ",".join(map(str, range(variants.MOST)))
    assert len(told(f"train.seed={seeds}")) == variants.MOST
    with pytest.raises(UsageError, match=r"these are 65 variants.*at most 64"):
        told(f"train.seed={seeds},99")


@pytest.mark.parametrize(
    ("asked", "message", "advice"),
    [
        ("train.l1_wieght=1", "unknown key", "train.l1_weight"),
        ("l1_weight=5", "unknown key", "train.l1_weight"),
        ("bogus.x=1", "unknown key", "train.seed"),
        ("keep.models=5", "unknown key", "train.seed"),
        ("image_size=64", "no setting of the training", "train.seed"),
        ("train.validation=0.2", "cannot be tried: it changes which pairs are held out", ""),
        ("train.promote=always", "cannot be tried: it changes no model", ""),
        ("train.quiet_seconds=1", "cannot be tried: it changes no model", ""),
        ("train.ngf=0", r"--set train.ngf=0: expected a whole number from 1 to 512, got 0", ""),
        ("train.l1_weight=much", r"--set train.l1_weight=much: expected a number from 0", ""),
        ("train.jitter=perhaps", "expected true or false", ""),
        ("train.replicas=2", r"expected a multiple of replicas \(2\), got 1", ""),
        ("train.ngf", "expected KEY=VALUE", ""),
        ("train.ngf=", "expected KEY=VALUE", ""),
        ("train.ngf=4,", "expected KEY=VALUE", ""),
        ("train.ngf={a: 1}", "no value of a setting", ""),
        ("train.ngf=4 # 5", "no value of a setting", ""),
        ("train.ngf=4\nseed: 3", "no value of a setting", ""),
    ],
)
def test_what_cannot_be_tried_is_refused_in_one_line(asked: str, message: str, advice: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        told(asked)
    assert "\n" not in refused.value.message.replace(asked, "")
    assert advice in refused.value.advice


def test_a_key_that_is_set_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train.ngf is set twice"):
        told("train.ngf=32", "train.ngf=64")


def test_rules_for_two_keys_hold_for_each_variant() -> None:
    assert told("train.replicas=2", "train.batch_size=2,4") == [
        "replicas 2, batch_size 2",
        "replicas 2, batch_size 4",
    ]
    with pytest.raises(UsageError, match=r"batch_size=3: expected a multiple of replicas"):
        told("train.replicas=2", "train.batch_size=2,3")
    with pytest.raises(UsageError, match="expected either epochs or steps"):
        told("train.epochs=2", "train.steps=2")


@given(st.floats(1e-6, 1, exclude_min=True), st.floats(0, 1e6))
def test_values_that_are_not_asked_for_stay_to_the_last_bit(rate: float, weight: float) -> None:
    train = TrainSettings(learning_rate=rate, l1_weight=weight)
    pipeline = PipelineSettings(
        name="p", training=Path("t"), input=Path("i"), output=Path("o"), train=train
    )
    (variant,) = variants.read(pipeline, ["train.seed=7"])
    assert variant.pipeline.train == TrainSettings(learning_rate=rate, l1_weight=weight, seed=7)
