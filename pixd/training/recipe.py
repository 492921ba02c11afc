"""The settings that change a result, as the recipes that go into run keys.

Host, device and library versions are recorded with a run and are never part of its key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.system.names import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings

TRAIN_REVISION = 4
"""Raise when the trainer's code makes another model from the same settings and images."""
TRANSLATE_REVISION = 3
"""Raise when the translator's code makes other bytes from the same model and image."""


def train_recipe(pipeline: PipelineSettings, precision: str) -> dict[str, Any]:
    """Return what changes a model, apart from the images."""
    train = pipeline.train
    return {
        "pairs": pipeline.pairs,
        "direction": pipeline.direction,
        "image_size": pipeline.image_size,
        "fit": pipeline.fit,
        "epochs": None if train.steps is not None else train.epochs,
        "steps": train.steps,
        "batch_size": train.batch_size,
        "ngf": train.ngf,
        "ndf": train.ndf,
        "learning_rate": train.learning_rate,
        "beta_1": train.beta_1,
        "l1_weight": train.l1_weight,
        "gan_weight": train.gan_weight,
        "jitter": train.jitter,
        "flip": train.flip,
        "seed": train.seed,
        "validation": train.validation,
        "precision": precision,
        # Only where it is not 1: the keys of all trainings from before it was there stay.
        **({"replicas": train.replicas} if train.replicas != 1 else {}),
    }


INPUT_IS_MADE = ("grayscale", "blank", "colorization")
"""The values of `pairs` under which an input is not translated as it comes. Nothing is made of
what `edges` is given, a drawing; so its recipe, and the keys of its runs, say nothing of it."""


def translate_recipe(
    pipeline: PipelineSettings, precision: str, image_size: int, pairs: str
) -> dict[str, Any]:
    """Return what changes a translation, apart from the image and the model.

    Args:
        pipeline: the settings.
        precision: the configured one.
        image_size: pixels, the live model's own; the config may already name another.
        pairs: as above.
    """
    return {
        **({"pairs": pairs} if pairs in INPUT_IS_MADE else {}),
        "image_size": image_size,
        # A model of blanks serves on until another is trained; a blank in each tile is no way to.
        "fit": "pad" if (pipeline.fit, pairs) == ("tile", "blank") else pipeline.fit,
        "output_size": pipeline.output_size,
        # Only where it is kept: the keys of all translations from before it could be stay.
        **({"alpha": pipeline.alpha} if pipeline.alpha != "drop" else {}),
        "sample": pipeline.sample,
        "seed": pipeline.train.seed if pipeline.sample else 0,
        "precision": precision,
    }


def recipe_digest(stage: str, settings: Mapping[str, Any]) -> str:
    """Return the digest under which the store keeps a recipe."""
    return digest_of(recipe_body(stage, settings).encode())


def recipe_body(stage: str, settings: Mapping[str, Any]) -> str:
    """Return the canonical JSON of a recipe."""
    return canonical_json({"stage": stage, **settings})


def recipe_difference(old: str, new: Mapping[str, Any]) -> list[str]:
    """Say how a recipe differs from an older one, as "l1_weight 100 -> 50".

    Args:
        old: the canonical JSON of the older recipe.
        new: the newer settings.
    """
    before = json.loads(old)
    return [
        f"{name} {_value(before.get(name))} -> {_value(new.get(name))}"
        for name in sorted((before.keys() | new.keys()) - {"stage", "digest"})
        if before.get(name) != new.get(name)
    ]


def _value(value: Any) -> str:
    return "unset" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
