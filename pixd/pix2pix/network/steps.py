"""One update of both networks.

The discriminator is updated first, on the real and the generated pair. Then the generator is
updated through the updated discriminator. The generator runs only once for both.

Source: the paper's code (phillipi/pix2pix, train.lua).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from pixd.pix2pix.network.averaging import WeightAverage
from pixd.pix2pix.network.loss_scale import LossScale
from pixd.pix2pix.network.losses import LossWeights, discriminator_loss, gan_loss, l1_loss
from pixd.pix2pix.network.optimizers import Adam
from pixd.pix2pix.network.replicas import Strategy, averaged, spread

Tensor = Any
LOSS_NAMES = ("gen_gan_loss", "gen_l1_loss", "disc_loss")
LOSS_SCALES = "loss_scales"
"""The part of the state that exists only with float16."""
AVERAGE = "average"
"""The part of the state that an earlier pixd did not have."""


@dataclass(frozen=True)
class Networks:
    """Both networks and their optimisers: everything that training changes.

    Attributes:
        average: of the generator's weights; nothing that is trained depends on it.
        generator_scale: of the generator's loss; None except with float16.
        discriminator_scale: the same for the discriminator, whose gradients have another size.
    """

    generator: keras.Model
    discriminator: keras.Model
    generator_adam: Adam
    discriminator_adam: Adam
    average: WeightAverage
    generator_scale: LossScale | None = None
    discriminator_scale: LossScale | None = None

    @property
    def state(self) -> dict[str, list[Any]]:
        """Every tf.Variable that a checkpoint must keep, dropout's random state included."""
        scaling = [variable for scale in self.scales for variable in scale.state]
        return {
            "generator": tensors_of(self.generator.variables),
            "discriminator": tensors_of(self.discriminator.variables),
            "generator_adam": self.generator_adam.state,
            "discriminator_adam": self.discriminator_adam.state,
            **({LOSS_SCALES: scaling} if scaling else {}),
            AVERAGE: self.average.state,
        }

    @property
    def scales(self) -> list[LossScale]:
        """The loss scales that exist."""
        return [scale for scale in (self.generator_scale, self.discriminator_scale) if scale]


def make_networks(
    generator: keras.Model,
    discriminator: keras.Model,
    *,
    learning_rate: float,
    beta_1: float,
    scales_losses: bool = False,
) -> Networks:
    """Give each network its own Adam, and with float16 a loss scale; average the generator's weights."""
    generator_adam, discriminator_adam = (
        Adam(tensors_of(net.trainable_variables), learning_rate=learning_rate, beta_1=beta_1)
        for net in (generator, discriminator)
    )
    return Networks(
        generator,
        discriminator,
        generator_adam,
        discriminator_adam,
        WeightAverage(tensors_of(generator.trainable_variables)),
        LossScale() if scales_losses else None,
        LossScale() if scales_losses else None,
    )


def tensors_of(variables: list[Any]) -> list[Any]:
    """Return the tf.Variables inside Keras' variables."""
    return [variable.value for variable in variables]


def make_train_step(
    networks: Networks, weights: LossWeights, strategy: Strategy | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the compiled update.

    Args:
        networks: what it updates.
        weights: of the generator's two losses.
        strategy: the one with which the networks were built, if any.

    Returns:
        A function of (input_image, target), both (batch, size, size, channels) float32 in [-1, 1],
        that updates both networks and returns (3,) float32: the losses of `LOSS_NAMES`, the L1
        on 0..255. With float16 they become NaN when a loss scale cannot get smaller. Then the
        gradients are not finite at any scale, and the run must end instead of skipping every
        update.
    """
    generator, discriminator = networks.generator, networks.discriminator
    generator_weights = tensors_of(generator.trainable_variables)
    discriminator_weights = tensors_of(discriminator.trainable_variables)

    def train_step(input_image: Tensor, target: Tensor) -> Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch(generator_weights)
            gen_output = generator(input_image, training=True)

        with tf.GradientTape(watch_accessed_variables=False) as discriminator_tape:
            discriminator_tape.watch(discriminator_weights)
            real_logits = discriminator([input_image, target], training=True)
            generated_logits = discriminator([input_image, gen_output], training=True)
            disc_loss = discriminator_loss(real_logits, generated_logits)
            scaled_disc_loss = _scaled(disc_loss, networks.discriminator_scale)
        _update(
            networks.discriminator_adam,
            networks.discriminator_scale,
            discriminator_tape.gradient(scaled_disc_loss, discriminator_weights),
        )

        # Here the loss is differentiated down to gen_output; below, through the generator's own
        # tape. So the generator runs once, and its loss uses the discriminator's new weights.
        with tf.GradientTape(watch_accessed_variables=False) as loss_tape:
            loss_tape.watch(gen_output)
            gen_gan_loss = gan_loss(discriminator([input_image, gen_output], training=True))
            gen_l1_loss = l1_loss(target, gen_output)
            gen_loss = weights.gan * gen_gan_loss + weights.l1 * gen_l1_loss
            scaled_gen_loss = _scaled(gen_loss, networks.generator_scale)
        gradients = generator_tape.gradient(
            gen_output,
            generator_weights,
            output_gradients=loss_tape.gradient(scaled_gen_loss, gen_output),
        )
        _update(networks.generator_adam, networks.generator_scale, gradients)
        losses = tf.stack([gen_gan_loss, gen_l1_loss * 127.5, disc_loss])
        if not networks.scales:
            return losses
        is_spent = tf.reduce_any([scale.is_spent for scale in networks.scales])
        return tf.where(is_spent, float("nan"), losses)

    # Nothing here branches on a tensor but by tf.cond, so that AutoGraph would translate the source
    # for seconds and change nothing.
    compiled: Callable[[Tensor, Tensor], Tensor] = tf.function(
        spread(train_step, strategy), autograph=False
    )
    return compiled


# Without a scale, both of these add nothing to the graph, so float32 and bfloat16 cost no more.


def _scaled(loss: Tensor, scale: LossScale | None) -> Tensor:
    return scale.of(loss) if scale else loss


def _update(adam: Adam, scale: LossScale | None, gradients: Sequence[Tensor]) -> None:
    # Average before the scale checks them: then all replicas see an overflow and skip the update.
    gradients = averaged(gradients)
    if scale:
        scale.apply(adam, gradients)
    else:
        adam.apply(gradients)
