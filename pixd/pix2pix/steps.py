"""One update of both networks.

Source: the paper's code (phillipi/pix2pix, train.lua): the discriminator first, on the real and
the generated pair, then the generator through the updated discriminator, from one generator
pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from pixd.pix2pix.losses import LossWeights, discriminator_loss, gan_loss, l1_loss
from pixd.pix2pix.optimizers import Adam

Tensor = Any
LOSS_NAMES = ("gen_gan_loss", "gen_l1_loss", "disc_loss")


@dataclass(frozen=True)
class Networks:
    """Both networks and their optimisers: everything that training changes."""

    generator: keras.Model
    discriminator: keras.Model
    generator_adam: Adam
    discriminator_adam: Adam

    @property
    def state(self) -> dict[str, list[Any]]:
        """Every tf.Variable that a checkpoint must keep, dropout's random state included."""
        return {
            "generator": tensors_of(self.generator.variables),
            "discriminator": tensors_of(self.discriminator.variables),
            "generator_adam": self.generator_adam.state,
            "discriminator_adam": self.discriminator_adam.state,
        }


def make_networks(
    generator: keras.Model, discriminator: keras.Model, *, learning_rate: float, beta_1: float
) -> Networks:
    """Give each network an Adam of its own."""
    adams = [
        Adam(tensors_of(net.trainable_variables), learning_rate=learning_rate, beta_1=beta_1)
        for net in (generator, discriminator)
    ]
    return Networks(generator, discriminator, *adams)


def tensors_of(variables: list[Any]) -> list[Any]:
    """Return the tf.Variables inside Keras' variables."""
    return [variable.value for variable in variables]


def make_train_step(networks: Networks, weights: LossWeights) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the compiled update.

    Returns:
        A function of (input_image, target), both (batch, size, size, 3) float32 in [-1, 1], that
        updates both networks and returns (3,) float32: the losses of `LOSS_NAMES`, the L1
        on 0..255.
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
        networks.discriminator_adam.apply(
            discriminator_tape.gradient(disc_loss, discriminator_weights)
        )

        # The loss is differentiated down to gen_output here and through the generator's own tape
        # below: the generator runs once, the discriminator's new weights are what it meets.
        with tf.GradientTape(watch_accessed_variables=False) as loss_tape:
            loss_tape.watch(gen_output)
            gen_gan_loss = gan_loss(discriminator([input_image, gen_output], training=True))
            gen_l1_loss = l1_loss(target, gen_output)
            gen_loss = weights.gan * gen_gan_loss + weights.l1 * gen_l1_loss
        gradients = generator_tape.gradient(
            gen_output,
            generator_weights,
            output_gradients=loss_tape.gradient(gen_loss, gen_output),
        )
        networks.generator_adam.apply(gradients)
        return tf.stack([gen_gan_loss, gen_l1_loss * 127.5, disc_loss])

    compiled: Callable[[Tensor, Tensor], Tensor] = tf.function(train_step)
    return compiled
