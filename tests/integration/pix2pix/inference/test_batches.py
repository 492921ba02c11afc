"""What a real network makes of an image does not depend on what is translated with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pixd.pix2pix.inference.batching import Batcher
from pixd.pix2pix.network import generator as generation
from pixd.pix2pix.network import models

SIZE = 128


class Network:
    """An untrained generator as an engine."""

    card: Mapping[str, Any] = {}
    environment: Mapping[str, Any] = {}
    largest, size = None, SIZE

    def __init__(self, ngf: int) -> None:
        built = models.for_computing(models.build_generator(SIZE, ngf), "float32")
        made = generation.make_generate(built)
        self.values, self.pixels = made.values, made.pixels

    def __call__(self, images: Sequence[Any]) -> list[Any]:
        return self.pixels(self.values(images), images)


@pytest.mark.parametrize("ngf", [4, 8])
def test_a_hundred_images_have_the_bytes_that_each_has_alone(ngf: int) -> None:
    network = Network(ngf)
    images = list(np.random.default_rng(0).integers(0, 256, (104, SIZE, SIZE, 3), np.uint8))
    batcher = Batcher(network, 8, lambda _level, _message: None)
    made: list[Any] = []
    while len(made) < len(images):
        some = images[len(made) :]
        made += batcher(some[: batcher.size_for(len(some))])
    for image, output in zip(images, made, strict=True):
        assert np.array_equal(output, network([image])[0])


def test_what_is_computed_apart_is_what_each_image_gives_alone() -> None:
    network = Network(8)
    images = list(np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8))
    alone = np.concatenate([network.values([image]) for image in images])
    # Not to the bit on every processor: the outer layers are computed together here too.
    assert np.abs(network.values(images, apart=True) - alone).max() < 1e-5
