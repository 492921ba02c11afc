"""The generator as a function of images: load it, run it, and describe it.

Training, translating, exporting and scoring a live model all use this module.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pixd.pix2pix.network import keras_file, small_convolutions, usage
from pixd.pix2pix.network.codec import Codec, codec_of
from pixd.pix2pix.network.models import FLOAT32, for_computing, for_saving
from pixd.system import crash_points, durable, roles
from pixd.system.children.spec import OutputFile
from pixd.system.digests import hash_descriptor, hash_file
from pixd.system.errors import ADVICE_DISK, DiskError, PixdError

GENERATOR_FILE: Final = "generator.keras"
CARD_FILE: Final = "model.json"
CARD_SCHEMA: Final = 1
BESIDE_LIVE: Final = ("live", "common")
"""Of the scores, those of the live model. They are recorded with the model and are not in its card:
what else was live does not change what a model is, and its digest is of weights and card."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Inference:
    """A compiled generator and its codec.

    Attributes:
        compiled: (batch, size, size, input channels) float32 to (..., output channels).
        apart: the same, by products of the shapes that they have for one image.
        codec: the one for its channels.
    """

    compiled: Callable[[Any], Any]
    apart: Callable[[Any], Any]
    codec: Codec

    def __call__(self, input_image: Any) -> Any:
        """Run the generator on a batch of values."""
        return self.compiled(input_image)


_MODEL_ADVICE: Final = (
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
                advice=_MODEL_ADVICE,
            ) from error
        if found != expected:
            raise PixdError(f"the model's file {folder / name} is damaged", advice=_MODEL_ADVICE)


def load_generator(folder: Path, policy: str = FLOAT32) -> keras.Model:
    """Load the generator of a model folder.

    Args:
        folder: holds `GENERATOR_FILE`.
        policy: the Keras dtype policy to compute with; the variables are float32 anyway.

    Raises:
        PixdError: the file is missing or cannot be read.
    """
    path = folder / GENERATOR_FILE
    try:
        generator = keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PixdError(
            f"the model at {path} cannot be loaded: {error}",
            advice=_MODEL_ADVICE,
        ) from error
    return for_computing(generator, policy)


def image_size_of(generator: keras.Model) -> int:
    """Return the side in pixels of the generator's input images."""
    return int(generator.input_shape[1])


def make_inference(generator: keras.Model) -> Inference:
    """Compile the generator for images, without dropout.

    One trace serves any batch size; `apart` has one for each, made when it is first used.
    """
    size = image_size_of(generator)

    def infer(input_image: Any) -> Any:
        return generator(input_image, training=False)

    codec = codec_of(generator)
    signature = [tf.TensorSpec((None, size, size, codec.input_channels), tf.float32)]
    # Without AutoGraph, as the training step: there is nothing for it to translate.
    return Inference(
        tf.function(infer, input_signature=signature, autograph=False),
        tf.function(small_convolutions.apart()(infer), autograph=False),
        codec,
    )


@dataclass(frozen=True, slots=True)
class Generate:
    """Translates images in one batch: (size, size, 3) uint8 each, and so are its outputs."""

    infer: Inference

    def values(self, inputs: Sequence[Pixels], *, apart: bool = False) -> Any:
        """Return what the generator computes, (batch, size, size, channels), before it is rounded."""
        compiled = self.infer.apart if apart else self.infer.compiled
        return compiled(tf.constant(self.infer.codec.input_values(np.stack(inputs)))).numpy()

    def pixels(self, values: Any, inputs: Sequence[Pixels]) -> list[Pixels]:
        """Return the images of such values, which may lie over their inputs."""
        return list(self.infer.codec.pixels_of(values, np.stack(inputs)))

    def __call__(self, inputs: Sequence[Pixels]) -> list[Pixels]:
        """Translate images."""
        return self.pixels(self.values(inputs), inputs)


def generate(infer: Inference, inputs: Sequence[Pixels]) -> list[Pixels]:
    """Translate images in one batch; see `Generate`."""
    return Generate(infer)(inputs)


def make_generate(generator: keras.Model) -> Generate:
    """Return a function from a batch of images to their translations."""
    return Generate(make_inference(generator))


def save_model(generator: keras.Model, folder: Path, card: dict[str, Any]) -> list[OutputFile]:
    """Write the model folder: float32, stock Keras layers, and the card that explains it.

    Args:
        generator: may have any policy.
        folder: made if it does not exist.
        card: see `make_card`.

    Returns:
        The result's ``outputs``: role, path relative to the folder's parent, sha256, size.

    Raises:
        DiskError: the disk is full or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / GENERATOR_FILE
    try:
        keras_file.save(for_saving(generator), path)
    except OSError as error:  # from HDF5, which does not pass on the error's number
        raise DiskError(
            f"the model cannot be written: {error}",
            advice=ADVICE_DISK,
        ) from error
    crash_points.crash_point("export")
    text = json.dumps(card, indent=2, sort_keys=True, allow_nan=False) + "\n"
    durable.write_file(folder / CARD_FILE, text.encode())
    return [
        describe_file(roles.GENERATOR, path, folder.parent),
        describe_file(roles.CARD, folder / CARD_FILE, folder.parent),
    ]


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
