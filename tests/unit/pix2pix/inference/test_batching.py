"""Batches are used only where they give the bytes that an image gives alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.inference.batching import Batcher

Pixels = NDArray[np.uint8]


def say_nothing(_level: str, _message: str) -> None:
    pass


class Network:
    """Brightens by one; remembers the sizes it was asked for and may misbehave at some.

    What is wrong at `wrong_at` is less than any pixel shows. At `right_apart` it is not if it computes
    apart.
    """

    size, card, environment, largest = 2, {}, {}, None  # type: ignore[var-annotated]

    def __init__(
        self,
        *,
        wrong_at: int = 0,
        right_apart: int = 0,
        largest_that_fits: int = 1000,
        largest_apart: int = 1000,
    ) -> None:
        self.asked: list[int] = []
        self.asked_apart: list[int] = []
        self._wrong_at = wrong_at
        self._right_apart = right_apart
        self._largest_apart = largest_apart
        self._largest_that_fits = largest_that_fits

    def values(self, images: Sequence[Pixels], *, apart: bool = False) -> NDArray[np.float32]:
        (self.asked_apart if apart else self.asked).append(len(images))
        if len(images) > (self._largest_apart if apart else self._largest_that_fits):
            raise MemoryError
        is_right = apart and len(images) == self._right_apart
        off = 1e-6 if len(images) == self._wrong_at and not is_right else 0.0
        return ((np.stack(images) + 1.0) / 255 + off).astype(np.float32)

    def pixels(self, values: NDArray[np.float32], images: Sequence[Pixels]) -> list[Pixels]:
        assert len(values) == len(images)
        return list(np.rint(values * 255).astype(np.uint8))

    def __call__(self, images: Sequence[Pixels]) -> list[Pixels]:
        return self.pixels(self.values(images), images)


def images(count: int) -> list[Pixels]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


def is_brightened(outputs: list[Pixels]) -> bool:
    return all((output == number + 1).all() for number, output in enumerate(outputs))


def test_a_size_is_checked_on_first_use_and_trusted_then() -> None:
    network = Network()
    batcher = Batcher(network, 8, say_nothing)
    assert is_brightened(batcher(images(8)))
    assert network.asked == [8] + [1] * 8
    assert is_brightened(batcher(images(8)))
    assert network.asked == [8] + [1] * 8 + [8]
    assert not network.asked_apart


def test_a_size_that_changes_values_is_computed_apart_where_that_changes_none() -> None:
    notes: list[str] = []
    network = Network(wrong_at=8, right_apart=8)
    batcher = Batcher(network, 8, lambda _level, message: notes.append(message))
    assert is_brightened(batcher(images(8)))
    assert (network.asked, network.asked_apart) == ([8] + [1] * 8, [8])
    assert batcher.size_for(100) == 8
    assert is_brightened(batcher(images(8)))
    assert is_brightened(batcher(images(4)))
    assert (network.asked, network.asked_apart) == ([8] + [1] * 8 + [4] + [1] * 4, [8, 8])
    assert not notes


def test_a_size_that_does_not_fit_into_memory_apart_is_never_used_again() -> None:
    notes: list[str] = []
    network = Network(wrong_at=8, right_apart=8, largest_apart=4)
    batcher = Batcher(network, 8, lambda level, _message: notes.append(level))
    assert is_brightened(batcher(images(8)))
    assert batcher.size_for(100) == 4
    assert notes == ["info"]


def test_a_lone_image_is_taken_at_once_and_many_by_powers_of_two() -> None:
    batcher = Batcher(Network(), 8, say_nothing)
    assert [batcher.size_for(waiting) for waiting in (1, 2, 3, 7, 8, 100)] == [1, 2, 2, 4, 8, 8]
    assert Batcher(Network(), 5, say_nothing).size_for(100) == 4


def test_a_size_that_changes_the_bytes_is_never_used_again_and_is_no_reason_to_warn() -> None:
    notes: list[str] = []
    batcher = Batcher(Network(wrong_at=8), 8, lambda level, _message: notes.append(level))
    assert is_brightened(batcher(images(8)))
    assert batcher.size_for(100) == 4
    assert notes == ["info"]
    assert is_brightened(batcher(images(4)))


def test_out_of_memory_halves_the_batch_says_so_and_goes_on() -> None:
    notes: list[str] = []
    batcher = Batcher(
        Network(largest_that_fits=2), 8, lambda level, message: notes.append(f"{level}: {message}")
    )
    assert is_brightened(batcher(images(8)))
    assert batcher.size_for(100) == 2
    assert [note.startswith("warning: out of memory") for note in notes] == [True, True]
