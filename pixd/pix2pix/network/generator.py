"""The generator as a function of images: load it, run it, and save it.

Training, translating, exporting and scoring a live model all use this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pixd.pix2pix.network import keras_file, small_convolutions
from pixd.pix2pix.network.codec import Codec, codec_of
from pixd.pix2pix.network.model_folder import (
    CARD_FILE,
    GENERATOR_FILE,
    MODEL_ADVICE,
    describe_file,
)
from pixd.pix2pix.network.models import FLOAT32, for_computing, for_saving
from pixd.system import crash_points, durable, roles
from pixd.system.children.spec_parts import OutputFile
from pixd.system.errors import ADVICE_DISK, DiskError, PixdError

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
            advice=MODEL_ADVICE,
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
