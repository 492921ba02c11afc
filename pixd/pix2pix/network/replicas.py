"""One training on several devices of a host: each takes a part of every batch.

The variables are mirrored, and the gradients are averaged over the devices before anything uses
them. So every device makes the same update to its own copy. Nothing in the networks mixes images,
and the parts have one size. So the average over the parts is the average over the batch, and N
devices compute what one would, up to the order of addition.

Without replicas this module adds nothing to the graph.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from pixd.pix2pix.network.hardware import Device
from pixd.system.errors import DeviceError

Tensor = Any
Strategy = Any  # tf.distribute.MirroredStrategy
Step = Callable[[Tensor, Tensor], Tensor]


def make_strategy(count: int, device: Device, *, logical_cpus: int = 0) -> Strategy | None:
    """Return the strategy that mirrors variables, or None for one device.

    Call it before anything is computed.

    Args:
        count: the recipe's ``replicas``.
        device: the chosen device.
        logical_cpus: for tests: into how many devices to split the processor, instead of GPUs.
            They share its cores, so this is not faster.

    Raises:
        DeviceError: there are fewer devices than replicas.
    """
    if count == 1:
        return None
    kind, there = "GPU", 0
    if logical_cpus:
        kind, there = "CPU", logical_cpus
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * logical_cpus,
        )
    elif device.kind == "gpu":
        there = len(tf.config.list_physical_devices("GPU"))
    if there < count:
        raise DeviceError(
            f"train.replicas is {count}, but there are {there} GPUs to train on",
            advice=f"set train.replicas: {max(1, there)}, or make sure that TensorFlow finds the GPUs: pixd doctor",
        )
    return tf.distribute.MirroredStrategy([f"{kind}:{number}" for number in range(count)])


def scope_of(strategy: Strategy | None) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which variables are made; with a strategy, they are mirrored."""
    scope: contextlib.AbstractContextManager[Any] = (
        strategy.scope() if strategy else contextlib.nullcontext()
    )
    return scope


def spread(train_step: Step, strategy: Strategy | None) -> Step:
    """Make a step for a whole batch from a step for a part of it.

    Args:
        train_step: updates with `averaged` gradients, and returns means over its images.
        strategy: the one with which the variables were made.

    Returns:
        The step for a batch whose size is a multiple of the number of replicas. All replicas get
        parts of one size, and the step returns the mean over them. Without a strategy,
        `train_step` itself.
    """
    if strategy is None:
        return train_step

    def of_replica(*batch: Tensor) -> Tensor:
        return train_step(*(_own_part(images) for images in batch))

    def step(input_image: Tensor, target: Tensor) -> Tensor:
        losses = strategy.run(of_replica, args=(input_image, target))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return step


def averaged(gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the mean of every gradient over the replicas; with one replica, the same tensors."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return gradients
    means: Sequence[Tensor] = context.all_reduce(tf.distribute.ReduceOp.MEAN, list(gradients))
    return means


class SpreadDropout(keras.layers.Dropout):  # type: ignore[misc] # Keras has no types
    """Dropout with the masks that one device would draw for the whole batch.

    The random state is mirrored like any variable. So without this class every replica would drop
    the same features of different images. Here each replica draws masks for all images and takes
    those of its own. Only the innermost layers have dropout, so the cost is too small to measure.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:  # noqa: FBT001, FBT002 - Keras' own signature
        """Drop features at random while training."""
        if not training or not self.rate:
            return inputs
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        shape = tf.concat([tf.shape(inputs)[:1] * replicas, tf.shape(inputs)[1:]], axis=0)
        ones = tf.ones(shape, inputs.dtype)
        masks = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
        return inputs * _own_part(masks)


def _own_part(batch: Tensor) -> Tensor:
    """Return the images of this replica from a whole batch of any shape."""
    context = tf.distribute.get_replica_context()
    count = tf.shape(batch)[0] // context.num_replicas_in_sync
    first = count * context.replica_id_in_sync_group
    return batch[first : first + count]
