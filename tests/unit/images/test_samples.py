"""More than 8 bits become 8: rounded to the nearest level, white is the number that says so."""

from __future__ import annotations

import numpy as np
import pytest

from pixd.images import samples


@pytest.mark.parametrize("maximum", [1023, 4095, 16383, 65535])
def test_every_value_becomes_the_nearest_level(maximum: int) -> None:
    values = np.arange(maximum + 1, dtype=np.uint16)
    exact = values.astype(float) * 255 / maximum
    assert np.abs(samples.to_8_bits(values, maximum) - exact).max() <= 0.5


def test_sixteen_bits_are_scaled_as_they_always_were() -> None:
    values = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(samples.to_8_bits(values), (values.astype(int) + 128) // 257)


def test_more_than_white_is_white() -> None:
    assert samples.to_8_bits(np.array([4095, 4096, 65535], np.uint16), 4095).tolist() == [255] * 3
