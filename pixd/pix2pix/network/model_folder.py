"""The folder of a model: its files, their digests, and the card that explains it.

Imports neither TensorFlow nor Keras: not everything that runs a model needs them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pixd.pix2pix.network import usage
from pixd.system.children.spec_parts import OutputFile
from pixd.system.digests import hash_descriptor, hash_file
from pixd.system.errors import PixdError

GENERATOR_FILE: Final = "generator.keras"
CARD_FILE: Final = "model.json"
CARD_SCHEMA: Final = 1
BESIDE_LIVE: Final = ("live", "common")
"""Of the scores, those of the live model. They are recorded with the model and are not in its card:
what else was live does not change what a model is, and its digest is of weights and card."""
MODEL_ADVICE: Final = (
    "`pixd rollback` goes back to another model, `pixd verify` names all that is damaged"
)


def check_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Make sure that a model's files are, byte for byte, the ones that were trained.

    A weight with a wrong bit loads like any other; only the digest shows it.

    Args:
        folder: the model folder.
        digests: sha256 by file name.

    Raises:
        PixdError: a file is missing or has changed.
    """
    for name, expected in digests.items():
        try:
            found = hash_file(folder / name)
        except OSError as error:
            raise PixdError(
                f"the model's file {folder / name} cannot be read: {error.strerror}",
                advice=MODEL_ADVICE,
            ) from error
        if found != expected:
            raise PixdError(f"the model's file {folder / name} is damaged", advice=MODEL_ADVICE)


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card of a model folder.

    Raises:
        PixdError: it is missing or not a JSON object.
    """
    try:
        card: dict[str, Any] = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PixdError(
            f"the model card in {folder} cannot be read: {error}",
            advice="`pixd verify` says what is damaged, `pixd rollback` goes back to the model before",
        ) from error
    return card


def make_card(
    recipe: dict[str, Any],
    *,
    steps: int,
    parameters: int,
    metrics: Mapping[str, Any],
    early_of: int = 0,
    is_averaged: bool = False,
    begun_from: str | None,
) -> dict[str, Any]:
    """Return what a model is and how to call it, for people and for the translator.

    Args:
        recipe: the run spec's recipe.
        steps: updates of its training.
        parameters: number of trainable parameters of the generator.
        metrics: on the held-out pairs, as in the result; the card gets all but `BESIDE_LIVE`.
        early_of: all steps of the training, for an early model; 0 for the training's own.
        is_averaged: whether its weights are an average over the last steps.
        begun_from: digest of the model whose weights the training began from, if any.
    """
    size = recipe["image_size"]
    return {
        "schema": CARD_SCHEMA,
        "architecture": "pix2pix U-Net generator, instance normalisation",
        "source": "Isola et al. 2017, arXiv:1611.07004",
        "file": GENERATOR_FILE,
        "image_size": size,
        "layout": "NHWC",
        **usage.describe(recipe["pairs"], size, GENERATOR_FILE),
        "dtype": "float32",
        "pairs": recipe["pairs"],
        "direction": recipe["direction"],
        "fit": recipe["fit"],
        "recipe": recipe,
        "steps": steps,
        **({"early_of": early_of} if early_of else {}),
        "weights": "averaged" if is_averaged else "of the step",
        "begun_from": begun_from,
        "parameters": parameters,
        "metrics": {name: value for name, value in metrics.items() if name not in BESIDE_LIVE},
    }


def describe_file(role: str, path: Path, root: Path) -> OutputFile:
    """Flush a file and return its line of a result's ``outputs``."""
    with path.open("rb+") as stream:
        digest, size = hash_descriptor(stream.fileno())
        os.fsync(stream.fileno())
    return {
        "role": role,
        "path": str(path.relative_to(root)),
        "sha256": digest,
        "size": size,
    }
