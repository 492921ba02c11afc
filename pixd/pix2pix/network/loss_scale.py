"""A loss scale for float16: it moves gradients into the range that float16 can hold.

The range of float16 is 6e-8 to 65504, and most gradients of a network are small. So the loss is
multiplied before it is differentiated, and the gradients are divided after. If the scale is too
large, a gradient is not finite, and one update is lost. float32 and bfloat16 have enough range and
need no scale.

Source: Micikevicius et al. 2018, arXiv:1710.03740, sections 3.2 and 4; the numbers are those of
`keras.optimizers.LossScaleOptimizer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf

from pixd.pix2pix.network.optimizers import Adam

INITIAL: Final = 2.0**15
GROW_AFTER: Final = 2000  # updates without an overflow
SMALLEST: Final = 1.0
"""If gradients overflow below this, the scale is not the cause, and a smaller one does not help."""
LARGEST: Final = 2.0**24
"""Gradients of zero never overflow; without a limit, the scale would after 226,000 updates."""

Tensor = Any
Variable = Any  # tf.Variable


class LossScale:
    """The factor of one network's loss. It is always a power of two, so that no bit is lost."""

    def __init__(self) -> None:
        """Start at `INITIAL`."""
        self.scale = tf.Variable(INITIAL, dtype=tf.float32, trainable=False, name="scale")
        self.finite_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="finite_steps")

    @property
    def state(self) -> list[Variable]:
        """Everything that a checkpoint must keep."""
        return [self.scale, self.finite_steps]

    @property
    def is_spent(self) -> Tensor:
        """Whether gradients were not finite under `SMALLEST`; scalar bool."""
        return self.scale < SMALLEST

    def of(self, loss: Tensor) -> Tensor:
        """Return the loss to differentiate: `loss`, scalar float32, times the scale."""
        return loss * self.scale

    def apply(self, adam: Adam, gradients: Sequence[Tensor]) -> None:
        """Update the network, or skip the update and halve the scale; inside a tf.function.

        Args:
            adam: of this network.
            gradients: of the scaled loss, float32, as `Adam.apply` wants them.
        """
        unscaled = [gradient / self.scale for gradient in gradients]
        is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in unscaled])
        tf.cond(is_finite, lambda: self._update(adam, unscaled), self._skip)

    def _update(self, adam: Adam, gradients: Sequence[Tensor]) -> None:
        adam.apply(gradients)
        in_a_row = self.finite_steps + 1
        is_due = in_a_row >= GROW_AFTER
        larger = tf.minimum(2.0 * self.scale, LARGEST)
        self.scale.assign(tf.where(is_due, larger, self.scale))
        self.finite_steps.assign(tf.where(is_due, tf.zeros_like(in_a_row), in_a_row))

    def _skip(self) -> None:
        self.scale.assign(self.scale / 2.0)
        self.finite_steps.assign(0)
