"""float16 trains: small gradients are lifted, too large ones cost an update, a resume is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pixd.pix2pix.learning.checkpoints import Checkpoints
from pixd.pix2pix.learning.training_loop import build_networks
from pixd.pix2pix.network import loss_scale
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.models import MIXED_FLOAT16
from pixd.pix2pix.network.optimizers import Adam
from pixd.pix2pix.network.steps import LOSS_SCALES, Networks, make_train_step
from tests.support.tensors import images

Step = Any
TOO_LARGE = 2.0**40  # any gradient overflows under it


def build(policy: str = MIXED_FLOAT16) -> Networks:
    recipe = {
        "pairs": "side-by-side",
        "image_size": 32,
        "seed": 0,
        "ngf": 8,
        "ndf": 4,
        "learning_rate": 2e-3,
        "beta_1": 0.5,
    }
    return build_networks(recipe, policy)


@pytest.fixture(scope="module")
def networks() -> Networks:
    """Return networks whose step is compiled once for all tests, which put their state back."""
    return build()


@pytest.fixture(scope="module")
def compiled(networks: Networks) -> tuple[Step, dict[str, list[Any]]]:
    return make_train_step(networks, LossWeights()), values_of(networks)


@pytest.fixture
def train_step(networks: Networks, compiled: tuple[Step, dict[str, list[Any]]]) -> Step:
    step, start = compiled
    put(networks, start)
    return step


def put(networks: Networks, values: dict[str, list[Any]]) -> None:
    for name, group in networks.state.items():
        for variable, value in zip(group, values[name], strict=True):
            variable.assign(value)


def values_of(networks: Networks) -> dict[str, list[Any]]:
    return {name: [v.numpy() for v in group] for name, group in networks.state.items()}


def as_bytes(networks: Networks, *groups: str) -> list[bytes]:
    values = values_of(networks)
    return [value.tobytes() for group in groups or values for value in values[group]]


def test_a_float16_step_learns(train_step: Step) -> None:
    first, *_, last = [train_step(images(0), images(1)).numpy() for _ in range(60)]
    assert np.isfinite(last).all()
    assert last[1] < first[1] / 2


def test_an_overflow_halves_one_scale_and_skips_that_network_alone(
    networks: Networks, train_step: Step
) -> None:
    generator, discriminator = networks.scales
    generator.scale.assign(TOO_LARGE)
    generator.finite_steps.assign(1234)
    discriminator.scale.assign(1024.0)
    own = ("generator_adam",)
    weights = [w.numpy().tobytes() for w in networks.generator.trainable_variables]
    before, others = as_bytes(networks, *own), as_bytes(networks, "discriminator")
    losses = train_step(images(0), images(1)).numpy()
    assert np.isfinite(losses).all()
    assert as_bytes(networks, *own) == before
    assert [w.numpy().tobytes() for w in networks.generator.trainable_variables] == weights
    assert as_bytes(networks, "discriminator") != others
    assert generator.scale.numpy() == TOO_LARGE / 2
    assert generator.finite_steps.numpy() == 0
    assert (discriminator.scale.numpy(), discriminator.finite_steps.numpy()) == (1024.0, 1)


def test_a_gradient_is_the_same_under_every_scale(networks: Networks, train_step: Step) -> None:
    moments = []
    start = values_of(networks)
    for scale in (256.0, 1024.0):
        put(networks, start)
        for loss in networks.scales:
            loss.scale.assign(scale)
        train_step(images(0), images(1))
        moments.append(networks.generator_adam.first_moments[-2].numpy())
    assert np.abs(moments[0] - moments[1]).max() < 0.01 * np.abs(moments[0]).max()


def test_the_scale_doubles_after_finite_updates_in_a_row_and_has_an_end() -> None:
    weight = tf.Variable([1.0])
    adam, loss = Adam([weight], learning_rate=0.1, beta_1=0.5), loss_scale.LossScale()
    apply = tf.function(lambda gradient: loss.apply(adam, [gradient]))
    loss.finite_steps.assign(loss_scale.GROW_AFTER - 2)
    seen = []
    for gradient in (1.0, 1.0, 1.0, np.nan, np.inf, 1.0):
        apply(tf.constant([gradient]))
        seen.append((float(loss.scale), int(loss.finite_steps)))
    first = loss_scale.INITIAL
    assert seen == [
        (first, loss_scale.GROW_AFTER - 1),
        (2 * first, 0),
        (2 * first, 1),
        (first, 0),
        (first / 2, 0),
        (first / 2, 1),
    ]
    assert int(adam.updates) == 4
    loss.scale.assign(loss_scale.LARGEST)
    loss.finite_steps.assign(loss_scale.GROW_AFTER - 1)
    apply(tf.constant([0.0]))
    assert float(loss.scale) == loss_scale.LARGEST


def test_a_run_whose_scale_is_spent_is_not_finite(networks: Networks, train_step: Step) -> None:
    for scale in networks.scales:
        scale.scale.assign(loss_scale.SMALLEST)
    assert np.isfinite(train_step(images(0), images(1)).numpy()).all()
    networks.scales[1].scale.assign(loss_scale.SMALLEST / 2)  # as after one more overflow
    assert np.isnan(train_step(images(0), images(1)).numpy()).all()


def test_a_resume_in_float16_is_exact(tmp_path: Path, networks: Networks, train_step: Step) -> None:
    networks.generator_scale.scale.assign(TOO_LARGE)  # type: ignore[union-attr]
    for number in range(3):
        train_step(images(number), images(number + 1))
    Checkpoints(tmp_path, networks.state).save(3, {})
    saved = as_bytes(networks)
    for number in range(3, 6):
        train_step(images(number), images(number + 1))
    undisturbed = as_bytes(networks)

    resumed = build()
    assert Checkpoints(tmp_path, resumed.state).restore() == (3, {})
    assert as_bytes(resumed) == saved
    again = make_train_step(resumed, LossWeights())
    for number in range(3, 6):
        again(images(number), images(number + 1))
    assert as_bytes(resumed) == undisturbed


@pytest.mark.parametrize(
    ("before", "after"), [("float32", MIXED_FLOAT16), (MIXED_FLOAT16, "float32")]
)
def test_a_run_goes_on_at_another_precision(tmp_path: Path, before: str, after: str) -> None:
    one, other = build(before), build(after)
    one.generator_adam.updates.assign(7)
    for scale in one.scales:
        scale.scale.assign(2.0)
    Checkpoints(tmp_path, one.state, may_lack=(LOSS_SCALES,)).save(7, {})
    checkpoints = Checkpoints(tmp_path, other.state, may_lack=(LOSS_SCALES,))
    assert checkpoints.restore() == (7, {})
    assert int(other.generator_adam.updates) == 7
    assert [float(scale.scale) for scale in other.scales] == [loss_scale.INITIAL] * len(
        other.scales
    )


def test_a_checkpoint_that_lacks_anything_else_is_still_no_beginning(tmp_path: Path) -> None:
    Checkpoints(tmp_path, {"weights": [tf.Variable(1.0)]}).save(1, {})
    whole = {"weights": [tf.Variable(0.0)], "moments": [tf.Variable(0.0)]}
    assert Checkpoints(tmp_path, whole, may_lack=(LOSS_SCALES,)).restore() == (0, {})
