"""The losses of pix2pix, as pure functions of logits and images.

Source: Isola et al. 2017, arXiv:1611.07004, section 3.1 (objective) and 3.3 (the halved
discriminator loss).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any  # tf.Tensor: TensorFlow carries no usable types


@dataclass(frozen=True)
class LossWeights:
    """The weights of the two parts of the generator's loss; the paper's code has 1 and 100."""

    gan: float = 1.0
    l1: float = 100.0


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> Tensor:
    """Score how well the discriminator tells real pairs from generated ones.

    Args:
        real_logits: (batch, 30, 30, 1) float32 at 256 px, for (input_image, target).
        generated_logits: the same shape, for (input_image, gen_output).

    Returns:
        Scalar float32, the mean of both cross-entropies; ln 2 (0.693) means guessing.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3.1.
    """
    return 0.5 * (_cross_entropy(real_logits, 1.0) + _cross_entropy(generated_logits, 0.0))


def gan_loss(generated_logits: Tensor) -> Tensor:
    """Score how far the generator is from deceiving the discriminator.

    Args:
        generated_logits: (batch, n, n, 1) float32, for (input_image, gen_output).

    Returns:
        Scalar float32; -log D instead of the saturating log(1 - D), as in the paper's section 3.3.
    """
    return _cross_entropy(generated_logits, 1.0)


def l1_loss(target: Tensor, gen_output: Tensor) -> Tensor:
    """Return the mean absolute difference.

    Args:
        target: (batch, size, size, channels) float32 in [-1, 1].
        gen_output: the same shape and range.

    Returns:
        Scalar float32 in [0, 2]; 127.5 times this is the L1 on 0..255.
    """
    return tf.reduce_mean(tf.abs(target - gen_output))


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    labels = tf.fill(tf.shape(logits), label)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
