"""Stride-2 convolutions of the innermost layers, each computed as one matrix multiplication.

If an image is 8x8 or smaller, a convolution on a processor spends almost all its time on bringing
its kernel (up to 33 MB at ngf 64) into another order, forward and backward. A multiplication uses
the kernel as it is in memory. With these layers a training step at ngf 64 took 0.84 to 0.97 of the
time at batch 1 and 0.97 at batch 4 (`benchmarks/train_step.py`), and one image alone is translated
in about 0.75 of the time.

The layers are Keras' own with another `call`: the same configuration, the same weights, and the
same numbers up to rounding. They are only for computing: a saved model has the stock layers
(`pixd.pix2pix.network.models.for_saving`).

Cutting an image into patches and laying patches over one another are each the gradient of the
other, and are told so: what TensorFlow derives from the slices writes an image of zeros for each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

import keras
import tensorflow as tf

SMALL_PX: Final = 8  # of the input's side; at 16 px there was no gain
MIN_ROWS: Final = 16
"""If there are fewer rows, rows of zeros are added: for very few rows oneDNN adds in another order,
and an image must have the same bytes alone and in a batch. An extra row costs nothing, because the
time goes into reading the kernel."""

_is_apart: Final[ContextVar[bool]] = ContextVar("is_apart", default=False)

Tensor = Any
Gradient = Callable[[Tensor], Any]


class SmallConv2D(keras.layers.Conv2D):  # type: ignore[misc] # Keras has no types
    """Kernel 4, stride 2, padding 1 on an even image: (batch, 2n, 2m, c) to (batch, n, m, filters)."""

    def call(self, inputs: Tensor) -> Tensor:
        """Cut the image into patches of 4x4 and multiply them by the kernel."""
        _, height, width, channels = inputs.shape
        rows = tf.reshape(_cut(inputs), (-1, 16 * channels))
        kernel = tf.reshape(keras.ops.convert_to_tensor(self.kernel), (-1, self.filters))
        product = _product(_times, rows, kernel, height * width // 4)
        return biased(self, tf.reshape(product, (-1, height // 2, width // 2, self.filters)))


class SmallConv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc] # Keras has no types
    """Kernel 4, stride 2, padding 1: (batch, n, m, c) to (batch, 2n, 2m, filters)."""

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply every pixel by the kernel, and add the 4x4 patches where they overlap."""
        _, height, width, channels = inputs.shape
        rows = tf.reshape(inputs, (-1, channels))
        kernel = tf.reshape(keras.ops.convert_to_tensor(self.kernel), (-1, channels))
        product = _product(_times_transposed, rows, kernel, height * width)
        return biased(self, _lay(tf.reshape(product, (-1, height, width, 4, 4, self.filters))))


def computed_by(layer: keras.Layer) -> type[keras.Layer] | None:
    """Return the class of this module that computes a layer of the networks, or None.

    Args:
        layer: a layer of a built model.
    """
    if type(layer) not in _SMALL or tuple(layer.strides) != (2, 2):
        return None
    return _SMALL[type(layer)] if max(layer.input.shape[1:3]) <= SMALL_PX else None


_SMALL: Final[dict[type[keras.Layer], type[keras.Layer]]] = {
    keras.layers.Conv2D: SmallConv2D,
    keras.layers.Conv2DTranspose: SmallConv2DTranspose,
}


def biased(layer: keras.Layer, image: Tensor) -> Tensor:
    """Return `image` with the layer's bias added, if it has one, as a convolution does."""
    if layer.bias is None:
        return image
    return image + keras.ops.convert_to_tensor(layer.bias)


# -- patches ---------------------------------------------------------------------------------


@tf.custom_gradient  # type: ignore[untyped-decorator] # TensorFlow has no types
def _cut(image: Tensor) -> tuple[Tensor, Gradient]:
    return _patches_of(image), _image_of


@tf.custom_gradient  # type: ignore[untyped-decorator] # TensorFlow has no types
def _lay(patches: Tensor) -> tuple[Tensor, Gradient]:
    return _image_of(patches), _patches_of


def _patches_of(image: Tensor) -> Tensor:
    """Cut (batch, 2n, 2m, c) into (batch, n, m, 4, 4, c): 4x4 pixels around every 2x2 of them."""
    _, height, width, channels = image.shape
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
    # A 4x4 patch at every second pixel consists of 2x2 neighbouring blocks of 2x2 pixels.
    blocks = tf.reshape(padded, (-1, height // 2 + 1, 2, width // 2 + 1, 2, channels))
    rows = tf.stack([blocks[:, :-1], blocks[:, 1:]], axis=2)
    patches = tf.stack([rows[..., :-1, :, :], rows[..., 1:, :, :]], axis=5)
    # (batch, n, block row, row in the block, m, block column, column in the block, c)
    patches = tf.transpose(patches, (0, 1, 4, 2, 3, 5, 6, 7))
    return tf.reshape(patches, (-1, height // 2, width // 2, 4, 4, channels))


def _image_of(patches: Tensor) -> Tensor:
    """Lay (batch, n, m, 4, 4, c) where they were cut from, added where they overlap.

    Kernel row 0 of pixel i goes to output row 2i - 1. So an even output row gets kernel row 1 of its
    own pixel and row 3 of the pixel before. An odd one gets row 2 of its own pixel and row 0 of the
    pixel after.
    """
    _, height, width, _, _, channels = patches.shape
    patches = tf.reshape(patches, (-1, height, width, 4, 4 * channels))
    beside = tf.pad(patches, [[0, 0], [1, 1], [0, 0], [0, 0], [0, 0]])
    even = patches[:, :, :, 1] + beside[:, :-2, :, 3]
    odd = patches[:, :, :, 2] + beside[:, 2:, :, 0]
    rows = tf.stack([even, odd], axis=2)
    rows = tf.reshape(rows, (-1, 2 * height, width, 4, channels))
    beside = tf.pad(rows, [[0, 0], [0, 0], [1, 1], [0, 0], [0, 0]])
    even = rows[:, :, :, 1] + beside[:, :, :-2, 3]
    odd = rows[:, :, :, 2] + beside[:, :, 2:, 0]
    return tf.reshape(tf.stack([even, odd], axis=3), (-1, 2 * height, 2 * width, channels))


# -- products --------------------------------------------------------------------------------


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Multiply, in what is traced here for a known batch, no more rows at once than for one image.

    Each product then has the shape that it has for one image, and adds in the same order. Where an
    image has few rows, images still share a product: it has `MIN_ROWS` in any case.
    """
    token = _is_apart.set(True)
    try:
        yield
    finally:
        _is_apart.reset(token)


def _product(
    times: Callable[[Tensor, Tensor], Tensor], rows: Tensor, kernel: Tensor, of_image: int
) -> Tensor:
    """Multiply rows, of which each image has `of_image`, by the kernel."""
    count, at_once = rows.shape[0], max(MIN_ROWS, of_image)
    if not _is_apart.get() or count is None or count <= at_once:
        return _filled(times, rows, kernel)
    parts = [rows[at : at + at_once] for at in range(0, count, at_once)]
    return tf.concat([_filled(times, part, kernel) for part in parts], 0)


def _filled(times: Callable[[Tensor, Tensor], Tensor], rows: Tensor, kernel: Tensor) -> Tensor:
    """Multiply at least `MIN_ROWS` rows, and return as many as there are."""
    count = rows.shape[0]
    if count is not None and count >= MIN_ROWS:
        return times(rows, kernel)
    count = tf.shape(rows)[0]
    filled = tf.pad(rows, [[0, tf.maximum(0, MIN_ROWS - count)], [0, 0]])
    return tf.slice(times(filled, kernel), (0, 0), (count, -1))


@tf.custom_gradient  # type: ignore[untyped-decorator] # TensorFlow has no types
def _times(rows: Tensor, kernel: Tensor) -> tuple[Tensor, Gradient]:
    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        return _by_transposed(upstream, kernel), tf.matmul(rows, upstream, transpose_a=True)

    return tf.matmul(rows, kernel), gradient


@tf.custom_gradient  # type: ignore[untyped-decorator] # TensorFlow has no types
def _times_transposed(rows: Tensor, kernel: Tensor) -> tuple[Tensor, Gradient]:
    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        return tf.matmul(upstream, kernel), tf.matmul(upstream, rows, transpose_a=True)

    return _by_transposed(rows, kernel), gradient


def _by_transposed(rows: Tensor, kernel: Tensor) -> Tensor:
    """Multiply a few rows by the transpose of a large kernel.

    In float32 the large matrix is the first: oneDNN would bring a second one that is transposed into
    another order. The numbers are the same up to rounding.
    """
    if rows.dtype == tf.float32:
        return tf.transpose(tf.matmul(kernel, rows, transpose_b=True))
    return tf.matmul(rows, kernel, transpose_b=True)
