"""An average of the generator's weights over its last steps.

A GAN's weights circle around what they learned, and so do its held-out scores. Their average lies
inside of that circle: its pictures are nearer to the targets, and a little softer. Which of the two
is exported is decided by the scores (`pixd.pix2pix.learning.validation`).

Source: Yazici et al. 2019, arXiv:1806.04498 (exponential average in GANs); the growing memory at the
beginning is that of TensorFlow's ExponentialMovingAverage with `num_updates`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import tensorflow as tf

from pixd.pix2pix.network.replicas import Strategy

EVERY: Final = 10  # steps from one update to the next: a tenth of the price, and the same average
LEAST_SHARE: Final = 0.02  # of new weights in an update: the last 500 steps count
FIRST_UPDATES: Final = 10  # until so many the memory grows, or first noise would stay for long

Variable = Any  # tf.Variable


class WeightAverage:
    """Averages of variables, which have the place of these while pictures are made."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        """Begin with the values that the variables have.

        Args:
            variables: float32 tf.Variables.
        """
        self._variables = list(variables)
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self._averages = [tf.Variable(tf.convert_to_tensor(v), trainable=False) for v in variables]

    @property
    def state(self) -> list[Variable]:
        """Everything that a checkpoint must keep."""
        return [self._updates, *self._averages]

    @property
    def is_begun(self) -> bool:
        """Whether there was an update. A checkpoint of an earlier pixd has no average."""
        return bool(self._updates.numpy())

    def make_update(self, strategy: Strategy | None) -> Callable[[], None]:
        """Return the compiled update, which takes in the weights as they are."""

        def update() -> None:
            updates = tf.cast(self._updates.assign_add(1), tf.float32)
            share = tf.maximum(LEAST_SHARE, FIRST_UPDATES / (FIRST_UPDATES - 1.0 + updates))
            for average, variable in zip(self._averages, self._variables, strict=True):
                # By handle: with tf.distribute each replica updates its own copy, as Adam does.
                tf.raw_ops.AssignAddVariableOp(
                    resource=average.handle, value=share * (variable - average)
                )

        if strategy is None:
            return tf.function(update, autograph=False)  # type: ignore[no-any-return]
        return tf.function(lambda: strategy.run(update), autograph=False)  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the variables their averages, and what they had back at the end, to the bit."""
        before = [variable.numpy() for variable in self._variables]
        try:
            self.take_place()
            yield
        finally:
            for variable, value in zip(self._variables, before, strict=True):
                variable.assign(value)

    def take_place(self) -> None:
        """Give the variables their averages for good."""
        for average, variable in zip(self._averages, self._variables, strict=True):
            variable.assign(average.numpy())
