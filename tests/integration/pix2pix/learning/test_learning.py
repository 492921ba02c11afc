"""The networks learn what there is to learn, and nothing where there is nothing.

Facades as the demo draws them, at 32 px, from their label maps; scored on facades never seen.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from pixd.images.demo_set import facade_pair
from pixd.pix2pix.learning import scores as metrics
from pixd.pix2pix.learning.own_targets import compare_with_others
from pixd.pix2pix.learning.training_loop import build_networks
from pixd.pix2pix.network.codec import to_float
from pixd.pix2pix.network.generator import generate, make_inference
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.replicas import SpreadDropout
from pixd.pix2pix.network.steps import Networks, make_train_step
from pixd.store import model_scores

SIZE = 32
TRAINED, UNSEEN = 160, 40
BATCH = 4

Pixels = Any  # (n, 32, 32, 3) uint8


@functools.cache
def facades() -> tuple[Pixels, Pixels]:
    """Return label maps and facades; the last `UNSEEN` are for scoring."""
    pairs = [facade_pair(seed, SIZE) for seed in range(TRAINED + UNSEEN)]
    labels, pictures = (
        np.stack([np.asarray(half) for half in side]) for side in zip(*pairs, strict=True)
    )
    return labels, pictures


def trained(
    labels: Pixels,
    pictures: Pixels,
    steps: int,
    *,
    gan: float = 1.0,
    ngf: int = 16,
    has_dropout: bool = True,
) -> Networks:
    """Train without jitter."""
    recipe = {"pairs": "side-by-side", "image_size": SIZE, "seed": 0, "ngf": ngf, "ndf": 16}
    networks = build_networks({**recipe, "learning_rate": 1e-3, "beta_1": 0.5}, "float32")
    for layer in networks.generator.layers:
        if isinstance(layer, SpreadDropout) and not has_dropout:
            layer.rate = 0.0
    train_step = make_train_step(networks, LossWeights(gan=gan))
    random = np.random.default_rng(0)
    for _ in range(steps):
        chosen = random.integers(0, len(labels), min(len(labels), BATCH))
        train_step(to_float(labels[chosen]), to_float(pictures[chosen]))
    return networks


def scores(networks: Networks, labels: Pixels, pictures: Pixels) -> dict[str, Any]:
    outputs = generate(make_inference(networks.generator), list(labels))
    return metrics.score(zip(outputs, pictures, strict=True))


def mean_target_l1(pictures: Pixels, unseen: Pixels) -> float:
    mean = metrics.mean_image(pictures)
    return float(metrics.score((mean, target) for target in unseen)["l1"])


def test_one_pair_is_learned_by_heart() -> None:
    labels, pictures = (side[:1] for side in facades())
    learned = trained(labels, pictures, 250, has_dropout=False)
    grey = np.full_like(pictures[0], 128)  # the mean of one picture would be the picture itself
    baseline = metrics.score([(grey, pictures[0])])["l1"]
    assert baseline is not None
    assert scores(learned, labels, pictures)["l1"] < 0.1 * baseline


@pytest.mark.slow
def test_eight_pairs_are_learned_by_heart() -> None:
    labels, pictures = (side[:8] for side in facades())
    learned = trained(labels, pictures, 1500, ngf=32, has_dropout=False)
    assert scores(learned, labels, pictures)["l1"] < 0.1 * mean_target_l1(pictures, pictures)


def test_unseen_facades_are_better_than_the_mean_and_shuffled_pairs_teach_nothing() -> None:
    labels, pictures = facades()
    unseen = labels[TRAINED:], pictures[TRAINED:]
    mean = mean_target_l1(pictures[:TRAINED], pictures[TRAINED:])
    learned = trained(labels[:TRAINED], pictures[:TRAINED], 250)
    shuffled = trained(labels[:TRAINED], np.roll(pictures[:TRAINED], 17, axis=0), 250)
    assert scores(learned, *unseen)["l1"] < 0.75 * mean
    assert scores(shuffled, *unseen)["l1"] > mean
    assert is_unrelated(learned, *unseen) is False
    # Where the pairs do not match, those that are held out do not either.
    assert is_unrelated(shuffled, unseen[0], np.roll(unseen[1], 17, axis=0)) is True


def is_unrelated(networks: Networks, labels: Pixels, pictures: Pixels) -> bool | None:
    outputs = generate(make_inference(networks.generator), list(labels))
    return model_scores.is_unrelated({"others": compare_with_others(outputs, list(pictures))})


@pytest.mark.slow
def test_the_gan_term_makes_pictures_sharper() -> None:
    labels, pictures = facades()
    unseen = labels[TRAINED:], pictures[TRAINED:]
    train = labels[:TRAINED], pictures[:TRAINED]
    alone, both = (scores(trained(*train, 400, gan=gan), *unseen) for gan in (0.0, 1.0))
    assert both["sharpness"] > 1.05 * alone["sharpness"]
