"""Decides which squares go through the network together, and in which order.

The same input gives the same bytes, whatever else is in the batch. The network has only instance
statistics, so nothing mixes images; only the order in which a kernel adds can differ. This module
checks that: batches have a size of 1, 2, 4, 8, ..., and when a size is used for the first time, each
of its images is also translated alone. If the values differ, the batch is computed once more, with the
products of the innermost layers apart (`pixd.pix2pix.network.small_convolutions.apart`). A size that
gives other values in this way too is never used again, and the parent gets a note, which is no
warning: nothing is wrong, and no picture differs.

Compared are the values of the network, to the last bit, and not the pixels. Where a kernel adds in
another order, values differ in the seventh digit, and about one of 20,000 pixels of 256 px then falls
to another level: a batch whose pixels are equal by luck says nothing about the next one. Measured with
TensorFlow 2.21, in batches of 4 and 8: with AVX-512 only products of the innermost layers add in another
order, on one core, and apart they do not. On an AVX2 processor the large convolutions (Eigen's) do so
too, in most batches, and such images are translated one by one. With ONNX Runtime 1.32 every size
was exact.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pixd.pix2pix.inference.engine import Engine, Pixels
from pixd.system.children.task import describe_error

Note = Callable[[str, str], object]


@dataclass(frozen=True, slots=True)
class Square:
    """One square for the network, and the functions that take its result.

    Attributes:
        pixels: (size, size, 3) uint8, RGB; as a `Noisy` where dropout is on.
        deliver: takes the output, of the same shape, and the milliseconds that it took.
        fail: takes the error.
    """

    pixels: Pixels
    deliver: Callable[[Pixels, float], object]
    fail: Callable[[Exception], object]


class Lanes:
    """The queue of squares. Squares of large images have a lane of their own.

    The lanes are served in turn. So a small image waits for one batch of a large image, not for
    the whole of it.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._lanes: tuple[deque[Square], deque[Square]] = (deque(), deque())
        self._is_large_next = False
        self._changed = threading.Condition()

    def put(self, square: Square, *, is_large: bool) -> None:
        """Add a square. Any thread may call this."""
        with self._changed:
            self._lanes[is_large].append(square)
            self._changed.notify()

    def take(self, size_for: Callable[[int], int], timeout_s: float) -> list[Square]:
        """Return the squares to translate now; none if none came within the time.

        Args:
            size_for: returns how many squares to take if so many wait.
            timeout_s: seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: any(self._lanes), timeout_s):
                return []
            is_large = (
                self._is_large_next
                if self._lanes[self._is_large_next]
                else (not self._is_large_next)
            )
            lane = self._lanes[is_large]
            self._is_large_next = not is_large
            return [lane.popleft() for _ in range(size_for(len(lane)))]


class Batcher:
    """Runs the network on as many images at once as possible; each gets the bytes it gets alone."""

    def __init__(self, engine: Engine, largest: int, note: Note) -> None:
        """Batch up to `largest` images.

        Args:
            engine: translates a batch.
            largest: the configured batch.
            note: sends the parent a level, "info" or "warning", and a message for people.
        """
        self._engine = engine
        self._note = note
        self._proven = {1: False}  # the sizes that change no value, and whether they are `apart`
        self._refused: set[int] = set()
        self.largest = 1
        while self.largest * 2 <= largest:
            self.largest *= 2

    def size_for(self, waiting: int) -> int:
        """Return how many of `waiting` images (at least 1) to take now."""
        size = self.largest
        while size > 1 and (size > waiting or size in self._refused):
            size //= 2
        return size

    def __call__(self, inputs: Sequence[Pixels]) -> list[Pixels]:
        """Translate as many images as `size_for` returned.

        Raises:
            Exception: the network failed. A batch that does not fit into memory is divided, so
                ResourceExhaustedError comes only for a single image.
        """
        try:
            values = self._engine.values(inputs, apart=self._proven.get(len(inputs), False))
        except Exception as error:
            if describe_error(error)["kind"] != "out-of-memory" or len(inputs) == 1:
                raise
            self.largest = max(1, len(inputs) // 2)
            told = f"out of memory: translating at most {self.largest} images at once now"
            self._note("warning", told)
            outputs: list[Pixels] = []
            while len(outputs) < len(inputs):  # `largest` may become smaller again in this loop
                outputs += self(inputs[len(outputs) :][: self.largest])
            return outputs
        if len(inputs) in self._proven:
            return self._engine.pixels(values, inputs)
        alone = [self._engine.values([one]) for one in inputs]
        if _are_equal(values, alone):
            self._proven[len(inputs)] = False
        elif self._is_exact_apart(inputs, alone):
            self._proven[len(inputs)] = True
        else:
            self._refused.add(len(inputs))
            told = f"{len(inputs)} images at once would change single bytes on this device"
            self._note("info", f"{told}, so fewer are translated together")
        return [
            output
            for one, its in zip(inputs, alone, strict=True)
            for output in self._engine.pixels(its, [one])
        ]

    def _is_exact_apart(self, inputs: Sequence[Pixels], alone: Sequence[Any]) -> bool:
        try:
            return _are_equal(self._engine.values(inputs, apart=True), alone)
        except Exception as error:
            if describe_error(error)["kind"] != "out-of-memory":
                raise
            return False


def _are_equal(together: Any, alone: Sequence[Any]) -> bool:
    return all(bool((one == its[0]).all()) for one, its in zip(together, alone, strict=True))
