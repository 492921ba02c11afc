"""Squares on their way through the network: which go together, and whose turn it is.

Same input, same bytes, whatever else is in the batch: the network has instance statistics
only, so nothing mixes images; what could still differ is the order in which a kernel adds.
On x86 with oneDNN batches of 1 to 8 were found bit-equal to single images at ngf 64, in
float32 and in bfloat16, and a batch of eight takes 0.55 of the time an image. That is
measured, not assumed: batches have a size of 1, 2, 4, 8, ..., and the first time that a size
is used each of its images is also translated alone. A size whose bytes differ is never used
again, and the parent gets a note.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pixd.pix2pix.inference.engine import Pixels
from pixd.system.children.task import describe_error

Generate = Callable[[Sequence[Pixels]], list[Pixels]]


@dataclass(frozen=True, slots=True)
class Square:
    """One square for the network, and who is told what came of it.

    Attributes:
        pixels: (size, size, 3) uint8, RGB.
        deliver: takes the output, of the same shape, and the milliseconds that it took.
        fail: takes the error.
    """

    pixels: Pixels
    deliver: Callable[[Pixels, float], object]
    fail: Callable[[Exception], object]


class Lanes:
    """Where squares wait: those of large images in a lane of their own.

    The lanes are served in turn, so that a small image waits for one batch of a large one and
    not for all of it.
    """

    def __init__(self) -> None:
        """Begin with nothing waiting."""
        self._lanes: tuple[deque[Square], deque[Square]] = (deque(), deque())
        self._is_large_next = False
        self._changed = threading.Condition()

    def put(self, square: Square, *, is_large: bool) -> None:
        """Let a square wait. Any thread."""
        with self._changed:
            self._lanes[is_large].append(square)
            self._changed.notify()

    def take(self, size_for: Callable[[int], int], timeout_s: float) -> list[Square]:
        """Return the squares to translate now; none if none came within the time.

        Args:
            size_for: says how many of so many waiting ones to take.
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
    """Runs the network on as many images at once as may be, with the bytes they have alone."""

    def __init__(self, generate: Generate, largest: int, note: Callable[[str], None]) -> None:
        """Batch up to `largest` images.

        Args:
            generate: translates a batch.
            largest: the configured batch.
            note: tells the parent something that a person may want to know.
        """
        self._generate = generate
        self._note = note
        self._proven = {1}
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
        """Translate images, `size_for` of them.

        Raises:
            Exception: the network failed; ResourceExhaustedError only for a single image.
        """
        try:
            outputs = self._generate(inputs)
        except Exception as error:
            if describe_error(error)["kind"] != "out-of-memory" or len(inputs) == 1:
                raise
            self.largest = max(1, len(inputs) // 2)
            self._note(f"out of memory: translating at most {self.largest} images at once now")
            outputs = []
            while len(outputs) < len(inputs):  # `largest` may shrink again on the way
                outputs += self(inputs[len(outputs) :][: self.largest])
            return outputs
        if len(inputs) in self._proven:
            return outputs
        alone = [self._generate([pixels])[0] for pixels in inputs]
        if all(bool((one == other).all()) for one, other in zip(outputs, alone, strict=True)):
            self._proven.add(len(inputs))
        else:
            self._refused.add(len(inputs))
            self._note(f"batches of {len(inputs)} change the result here and are not used")
        return alone
