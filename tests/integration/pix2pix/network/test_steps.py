"""One update is the paper's update; that updates learn is shown by `learning/test_learning.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pixd.pix2pix.learning.training_loop import build_networks
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.steps import Networks, make_train_step
from tests.support import restated
from tests.support.tensors import images

RATE, BETA_1 = 2e-4, 0.5


def make(**changes: Any) -> Networks:
    recipe = {
        "pairs": "side-by-side",
        "image_size": 32,
        "seed": 0,
        "ngf": 4,
        "ndf": 4,
        "learning_rate": RATE,
        "beta_1": BETA_1,
        **changes,
    }
    return build_networks(recipe, "float32")


def without_dropout(networks: Networks) -> Networks:
    for layer in networks.generator.layers:
        if layer.name.endswith("_dropout"):
            layer.rate = 0.0
    return networks


def test_the_first_losses_are_those_of_guessing() -> None:
    # A discriminator that stands still and is narrow: at ndf 64 the paper's initial weights
    # spread the logits (standard deviation 1.3), and the losses start at 0.8 to 0.9.
    train_step = make_train_step(make(learning_rate=0.0), LossWeights())
    gan_loss, _, disc_loss = train_step(images(0, 8), images(1, 8)).numpy()
    assert disc_loss == pytest.approx(np.log(2), abs=0.05)
    assert gan_loss == pytest.approx(np.log(2), abs=0.05)


def test_an_independent_restatement_agrees_on_outputs_losses_and_gradients() -> None:
    networks = without_dropout(make())
    g = restated.weights_of(networks.generator)
    d = restated.weights_of(networks.discriminator)
    x, y = images(0, 2), images(1, 2)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch((g, d))
        output = restated.generator(g, x)
        fixed = tf.stop_gradient(output)
        real, fake = restated.discriminator(d, x, y), restated.discriminator(d, x, fixed)
        disc_loss = (restated.cross_entropy(real, 1) + restated.cross_entropy(fake, 0)) / 2
    d_gradients = tape.gradient(disc_loss, d)
    assert close(networks.generator(x, training=True), output)
    assert close(networks.discriminator([x, y], training=True), real)

    updated = restated.adam(d, d_gradients, learning_rate=RATE, beta_1=BETA_1)
    with tf.GradientTape() as tape:
        tape.watch(g)
        output = restated.generator(g, x)
        gan_loss = restated.cross_entropy(restated.discriminator(updated, x, output), 1)
        l1_loss = tf.reduce_mean(tf.abs(y - output))
        gen_loss = gan_loss + 100 * l1_loss
    g_gradients = tape.gradient(gen_loss, g)

    losses = make_train_step(networks, LossWeights())(x, y).numpy()
    expected_losses = [float(gan_loss), float(l1_loss) * 127.5, float(disc_loss)]
    assert losses.tolist() == pytest.approx(expected_losses, abs=1e-4, rel=1e-5)
    # Adam started from nothing: its first moments are the gradients times 1 - beta_1.
    for net, adam, expected in (
        (networks.discriminator, networks.discriminator_adam, d_gradients),
        (networks.generator, networks.generator_adam, g_gradients),
    ):
        names = list(restated.weights_of(net))
        largest = max(float(tf.reduce_max(tf.abs(value))) for value in expected.values())
        for name, moment in zip(names, adam.first_moments, strict=True):
            gradient = moment / (1 - BETA_1)
            assert close(gradient / largest, expected[name] / largest), name
    for name, weight in restated.weights_of(networks.discriminator).items():
        assert close(weight, updated[name]), name


def test_without_the_gan_term_the_discriminator_has_no_say() -> None:
    one, other = make(ndf=4), make(ndf=8)
    for networks in (one, other):
        make_train_step(networks, LossWeights(gan=0.0))(images(0), images(1))
    for a, b in zip(
        one.generator.trainable_variables, other.generator.trainable_variables, strict=True
    ):
        assert np.array_equal(a.numpy(), b.numpy())


def close(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=0, atol=1e-4))
