"""The settings that change a model, as the recipe that goes into the key of a training.

Host, device and library versions are recorded with a run and are not part of its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pixd.config import patience, value_range
from pixd.store.revisions import ARITHMETIC, RESULTS, Revision, keys, newest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.config import PipelineSettings
    from pixd.store.revisions import Key

REVISIONS: Final = (
    Revision(1, RESULTS, "0.1", "trains"),
    Revision(2, ARITHMETIC, "0.1", "multiplies where an image is small"),
    Revision(
        3, RESULTS, "0.1", "picks the weights of a model otherwise (by L1 and structure together)"
    ),
    Revision(4, ARITHMETIC, "0.1", "trains faster where a batch has one image"),
    Revision(5, ARITHMETIC, "0.1", "rounds alike in every process that trains in float32"),
    Revision(6, ARITHMETIC, "0.1", "adds in another order where an image is small"),
    Revision(
        7,
        RESULTS,
        "0.1",
        "exports averaged weights where these are better, and ends a number of epochs when nothing"
        " more is learned",
    ),
)
"""Add a line when the trainer's code makes another model from the same settings and images."""
TRAIN_REVISION: Final = newest(REVISIONS)


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
        # Added only when they are not the default, so that the keys of older runs stay the same.
        **patience.recipe_of(train.patience, train.steps),
        **({"replicas": train.replicas} if train.replicas != 1 else {}),
        **value_range.recipe_of(
            value_range.bits_of(pipeline.value_range), are_ids=pipeline.labels == "ids"
        ),
    }


def train_keys(recipe: Mapping[str, Any], inputs: Sequence[str]) -> list[Key]:
    """Return the keys of a training under every revision, newest first.

    The first is that of a run that begins now. A run with one of the others is the same training
    by an earlier pixd.

    Args:
        recipe: as `train_recipe` returns it.
        inputs: the digests of its pairs, from `pixd.training.dataset.split.key_inputs`.
    """
    from pixd.store.recipes import recipe_digest  # noqa: PLC0415 - `status` hashes nothing

    return list(keys("train", REVISIONS, recipe_digest("train", recipe), inputs))


def train_key(recipe: Mapping[str, Any], inputs: Sequence[str]) -> str:
    """Return the key of a training that begins now; see `train_keys`."""
    return train_keys(recipe, inputs)[0].key


def steps_of(recipe: Mapping[str, Any], trained_on: int) -> int:
    """Return how many updates a training of so many pairs makes."""
    if recipe["steps"] is not None:
        return int(recipe["steps"])
    return -(-int(recipe["epochs"]) * trained_on // int(recipe["batch_size"]))
