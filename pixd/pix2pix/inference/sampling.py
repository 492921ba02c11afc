"""The generator with its dropout on, which is the paper's noise: `sample: true`.

What is dropped in an image follows from a few bytes of noise that come with it, and from nothing
else: not from the batch, the order or the device. The bits are those of SHAKE-256, an extendable
hash, so that they are the same with any version of TensorFlow. At 256 px and ngf 64 an image takes
43,008 of them, which are made in less than half a millisecond.

Source: Isola et al. 2017, arXiv:1611.07004, section 2.1 (noise only as dropout, at training and test).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pixd.pix2pix.inference.engine import Noisy
from pixd.pix2pix.network import small_convolutions
from pixd.pix2pix.network.codec import Codec, codec_of
from pixd.pix2pix.network.models import DROPOUT_RATE

Pixels = NDArray[np.uint8]

_KEPT: Final = 1 / (1 - DROPOUT_RATE)
"""What is not dropped becomes larger by this, so that the sum stays what it is without dropout."""


class MaskedDropout(keras.layers.Dropout):  # type: ignore[misc] # Keras has no types
    """Dropout that is told what to drop.

    Attributes:
        mask: (batch, n, m, channels) bool, what stays; set while the function is traced.
    """

    mask: Any = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002, FBT001 - Keras'
        """Drop what the mask says, in training or not."""
        return inputs * tf.cast(self.mask, inputs.dtype) * tf.cast(_KEPT, inputs.dtype)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Translates a batch of images, each with its own noise.

    Attributes:
        compiled: from values and masks to values.
        apart: the same, by products of the shapes that they have for one image.
        codec: the one for its channels.
        shapes: of the dropout layers, without the batch.
    """

    compiled: Callable[[Any, list[Any]], Any]
    apart: Callable[[Any, list[Any]], Any]
    codec: Codec
    shapes: Sequence[tuple[int, ...]]

    def values(self, inputs: Sequence[Noisy], *, apart: bool = False) -> Any:
        """Return what the network computes, (batch, size, size, channels), before it is rounded."""
        pixels = np.stack([one.pixels for one in inputs])
        each = [masks_of(one.noise, self.shapes) for one in inputs]
        masks = [tf.constant(np.stack(of_layer)) for of_layer in zip(*each, strict=True)]
        compiled = self.apart if apart else self.compiled
        return compiled(tf.constant(self.codec.input_values(pixels)), masks).numpy()

    def pixels(self, values: Any, inputs: Sequence[Noisy]) -> list[Pixels]:
        """Return the images of such values, which may lie over their inputs."""
        return list(self.codec.pixels_of(values, np.stack([one.pixels for one in inputs])))

    def __call__(self, inputs: Sequence[Noisy]) -> list[Pixels]:
        """Translate images."""
        return self.pixels(self.values(inputs), inputs)


def make_sampling(generator: keras.Model) -> Sampling:
    """Return a function that translates a batch of images, each with its own noise.

    Args:
        generator: a generator with dropout; its weights are shared.

    Raises:
        ValueError: its dropout drops another share than half.
    """

    def masked(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, keras.layers.Dropout):
            return layer
        if layer.rate != DROPOUT_RATE:
            raise ValueError(f"dropout of {layer.rate}: one bit of noise is a half")
        return MaskedDropout.from_config(layer.get_config())

    sampling = keras.models.clone_model(generator, clone_function=masked)
    dropouts = [layer for layer in sampling.layers if isinstance(layer, MaskedDropout)]
    shapes = [tuple(layer.output.shape[1:]) for layer in dropouts]
    codec = codec_of(generator)

    def infer(input_image: Any, masks: list[Any]) -> Any:
        for layer, mask in zip(dropouts, masks, strict=True):
            layer.mask = mask
        return sampling(input_image, training=False)

    size = int(generator.input_shape[1])
    compiled = tf.function(
        infer,
        input_signature=[
            tf.TensorSpec((None, size, size, codec.input_channels), tf.float32),
            [tf.TensorSpec((None, *shape), tf.bool) for shape in shapes],
        ],
        autograph=False,
    )

    apart = tf.function(small_convolutions.apart()(infer), autograph=False)
    return Sampling(compiled, apart, codec, shapes)


def masks_of(noise: bytes, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.bool_]]:
    """Return what stays in each dropout layer, for one image.

    Args:
        noise: any bytes.
        shapes: of the layers, without the batch.
    """
    if not shapes:
        return []
    counts = [int(np.prod(shape)) for shape in shapes]
    drawn = hashlib.shake_256(noise).digest(-(-sum(counts) // 8))
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=sum(counts)).astype(bool)
    ends = np.cumsum(counts)[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(bits, ends), shapes, strict=True)]
