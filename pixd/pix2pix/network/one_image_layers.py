"""Layers that train faster if a batch has one image, as in the paper.

A step at 256 px, ngf 64, in float32 on two cores takes 0.57 s. The layers save of that:

- `OneImageNorm`: 23 ms. It is TensorFlow's fused batch norm, whose statistics over a batch of one
  are those of the image. Keras' own norm reads and writes the memory a dozen times.
- `OneImageConv2D`: the forward convolution of the discriminator's widest layer. oneDNN computes it
  at half the speed that it has for two images or for either gradient. One multiplication of the
  patches takes 16 ms instead of 23 to 29, and a step has three.

In bfloat16 the norm saves 3 % of a step and the convolution nothing, so the stock one is used.
The layers are Keras' own with another `call`: the same configuration, the same weights, and the
same numbers up to rounding. With more images, and without training, they compute as the stock
layers do, because an image must have the same bytes alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import tensorflow as tf

from pixd.pix2pix.network.small_convolutions import biased

MAX_PATCHES: Final = 32 * 32
"""Each takes 16 times the memory of a pixel: at 256 px and ndf 64, 16 MB in all."""
MIN_FILTERS: Final = 64  # a narrow kernel takes little time to reorder

Tensor = Any


class OneImageNorm(keras.layers.GroupNormalization):  # type: ignore[misc] # Keras has no types
    """Instance statistics: each channel of each image has mean 0 and variance 1, then gain, offset."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:  # noqa: FBT001 - Keras'
        """Normalise (batch, n, m, channels); for one image in training, with the fused kernel."""
        if not training or inputs.shape[0] != 1:
            return super().call(inputs)
        nothing = tf.zeros(0)  # there are no earlier statistics
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            is_training=True,
        ).y


class OneImageConv2D(keras.layers.Conv2D):  # type: ignore[misc] # Keras has no types
    """Kernel 4, stride 1, no padding: (batch, n, m, c) to (batch, n - 3, m - 3, filters)."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:  # noqa: FBT001 - Keras'
        """Convolve; for one image in training in float32, by a multiplication of the patches."""
        if not training or inputs.shape[0] != 1 or inputs.dtype != tf.float32:
            return super().call(inputs)
        # A tensor, not a variable, because the gradient is for the argument.
        kernel = tf.convert_to_tensor(keras.ops.convert_to_tensor(self.kernel))
        return biased(self, _multiply_patches(inputs, kernel))


def computed_by(layer: keras.Layer) -> type[keras.Layer] | None:
    """Return the class of this module that computes a layer of the networks, or None.

    Args:
        layer: a layer of a built model.
    """
    if type(layer) is keras.layers.GroupNormalization and layer.groups == layer.beta.shape[0]:
        return OneImageNorm
    if (
        type(layer) is keras.layers.Conv2D
        and tuple(layer.strides) == (1, 1)
        and layer.padding == "valid"
        and layer.filters >= MIN_FILTERS
        and layer.output.shape[1] * layer.output.shape[2] <= MAX_PATCHES
    ):
        return OneImageConv2D
    return None


@tf.custom_gradient  # type: ignore[untyped-decorator] # TensorFlow has no types
def _multiply_patches(
    image: Tensor, kernel: Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Convolve. The gradients are those of TensorFlow's convolution: oneDNN computes them fast."""
    _, height, width, channels = image.shape
    size, _, _, filters = kernel.shape
    rows, columns = height - size + 1, width - size + 1
    patches = tf.concat(
        [image[:, i : i + rows, j : j + columns] for i in range(size) for j in range(size)], axis=3
    )
    product = tf.matmul(
        tf.reshape(patches, (rows * columns, size * size * channels)),
        tf.reshape(kernel, (size * size * channels, filters)),
    )

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
        options = {"out_backprop": upstream, "strides": [1, 1, 1, 1], "padding": "VALID"}
        return (
            tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(image), filter=kernel, **options),
            tf.raw_ops.Conv2DBackpropFilter(input=image, filter_sizes=tf.shape(kernel), **options),
        )

    return tf.reshape(product, (1, rows, columns, filters)), gradient
