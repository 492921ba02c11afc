"""The settings that change a model, as the recipe that goes into the key of a training.

Host, device and library versions are recorded with a run and are not part of its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.config import value_range
from pixd.store.recipes import recipe_digest
from pixd.store.runs import run_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixd.config import PipelineSettings

TRAIN_REVISION = 4
"""Raise when the trainer's code makes another model from the same settings and images."""


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
        # Added only when not 1, so that the keys of older runs stay the same.
        **({"replicas": train.replicas} if train.replicas != 1 else {}),
        **value_range.recipe_of(
            value_range.bits_of(pipeline.value_range), are_ids=pipeline.labels == "ids"
        ),
    }


def train_key(recipe: Mapping[str, Any], inputs: Iterable[str]) -> str:
    """Return the key of a training.

    Args:
        recipe: as `train_recipe` returns it.
        inputs: the digests of its pairs, from `pixd.training.dataset.split.key_inputs`.
    """
    return run_key("train", TRAIN_REVISION, recipe_digest("train", recipe), inputs)
