"""The average of the generator's weights: what it holds, and that it leaves the weights alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from pixd.pix2pix.network.averaging import FIRST_UPDATES, LEAST_SHARE, WeightAverage


def test_the_first_update_takes_the_weights_as_they_are() -> None:
    weight = tf.Variable([1.0, 2.0])
    average = WeightAverage([weight])
    begun = [average.is_begun]
    weight.assign([5.0, 7.0])
    average.make_update(None)()
    assert [*begun, average.is_begun] == [False, True]
    with average.in_place():
        assert weight.numpy().tolist() == [5.0, 7.0]


def test_the_average_is_exponential_with_a_memory_that_grows_to_its_length() -> None:
    weight = tf.Variable([0.0])
    average = WeightAverage([weight])
    update = average.make_update(None)
    expected = 0.0
    for number in range(1, 700):
        weight.assign([float(number % 7)])
        update()
        share = max(LEAST_SHARE, FIRST_UPDATES / (FIRST_UPDATES - 1 + number))
        expected += share * (number % 7 - expected)
    with average.in_place():
        assert weight.numpy()[0] == pytest.approx(expected, rel=1e-4)
        assert weight.numpy()[0] == pytest.approx(3.0, abs=0.1)


def test_weights_come_back_to_the_bit_also_after_an_error() -> None:
    weight = tf.Variable(np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    before = weight.numpy().tobytes()
    average = WeightAverage([weight])
    average.make_update(None)()
    weight.assign_add(tf.ones_like(weight) * 1e-7)
    moved = weight.numpy().tobytes()

    def look_and_fail() -> None:
        with average.in_place():
            assert weight.numpy().tobytes() == before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        look_and_fail()
    assert weight.numpy().tobytes() == moved
