"""pix2pix once more, from the paper, in plain tf.nn operations on a dictionary of weights.

Shares nothing with `pixd.pix2pix` but the names of the weights.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any
Weights = dict[str, Tensor]


def weights_of(model: Any) -> Weights:
    return {
        f"{layer.name}/{weight.name}": tf.convert_to_tensor(weight.numpy())
        for layer in model.layers
        for weight in layer.trainable_weights
    }


def instance_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    variance = tf.reduce_mean((x - mean) ** 2, axis=(1, 2), keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-5) * w[f"{name}/gamma"] + w[f"{name}/beta"]


def convolution(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return tf.nn.conv2d(padded, kernel, stride, "VALID")


def doubling(x: Tensor, kernel: Tensor) -> Tensor:
    """Transposed convolution as Torch defines it: insert zeros, then convolve, flipped."""
    batch, height, width, channels = x.shape
    spread = tf.reshape(
        tf.stack([x, tf.zeros_like(x)], axis=3), (batch, height, 2 * width, channels)
    )
    spread = tf.reshape(
        tf.stack([spread, tf.zeros_like(spread)], axis=2), (batch, 2 * height, 2 * width, channels)
    )
    padded = tf.pad(spread, [[0, 0], [2, 1], [2, 1], [0, 0]])
    flipped = tf.transpose(tf.reverse(kernel, axis=(0, 1)), (0, 1, 3, 2))
    return tf.nn.conv2d(padded, flipped, 1, "VALID")


def generator(w: Weights, x: Tensor) -> Tensor:
    levels = int(math.log2(x.shape[1]))
    skips = []
    for level in range(1, levels + 1):
        if level > 1:
            x = tf.maximum(x, 0.2 * x)
        x = convolution(x, w[f"down{level}/kernel"], 2)
        if 1 < level < levels:
            x = instance_norm(x, w, f"down{level}_norm")
        skips.append(x)
    for depth in range(1, levels):
        x = doubling(tf.maximum(x, 0), w[f"up{depth}/kernel"])
        x = instance_norm(x, w, f"up{depth}_norm")
        x = tf.concat([x, skips[levels - 1 - depth]], axis=3)
    x = doubling(tf.maximum(x, 0), w["output_conv/kernel"]) + w["output_conv/bias"]
    return tf.tanh(x)


def discriminator(w: Weights, x: Tensor, y: Tensor) -> Tensor:
    h = convolution(tf.concat([x, y], axis=3), w["conv1/kernel"], 2) + w["conv1/bias"]
    for number, stride in ((2, 2), (3, 2), (4, 1)):
        h = convolution(tf.maximum(h, 0.2 * h), w[f"conv{number}/kernel"], stride)
        h = instance_norm(h, w, f"conv{number}_norm")
    return convolution(tf.maximum(h, 0.2 * h), w["conv5/kernel"], 1) + w["conv5/bias"]


def cross_entropy(logits: Tensor, label: float) -> Tensor:
    """-log sigmoid of the logit, or of its negative."""
    return tf.reduce_mean(tf.math.softplus(-logits if label else logits))


def adam(
    w: Weights, gradients: Weights, *, learning_rate: float, beta_1: float, step: int = 1
) -> Weights:
    """Return the weights after a first step from zero moments."""
    assert step == 1
    updated = {}
    for name, weight in w.items():
        m, v = (1 - beta_1) * gradients[name], (1 - 0.999) * gradients[name] ** 2
        m_hat, v_hat = m / (1 - beta_1), v / (1 - 0.999)
        scale = math.sqrt(1 - 0.999)  # Torch's epsilon stands outside the bias correction
        updated[name] = weight - learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8 / scale)
    return updated
