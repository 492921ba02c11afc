"""The held-out pairs as the generator sees them, decoded once. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.learning.input_pipeline import load_pair, load_target
from pixd.system import machine

HELD_OUT_MAX_BYTES: Final = 256 << 20  # all 500 pairs at 256 px, 170 at 512 px, 42 at 1024 px
HELD_OUT_SHARE: Final = 0.125  # share of the memory that is available when the first is decoded

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]
Beat = Callable[[], None]  # called between images; may raise Interrupted


class HeldOut:
    """The held-out pairs at one size.

    A pair is decoded when it is first used and then kept as uint8, because a picture may be far
    larger than the model's square and is scored eleven times. What does not fit into
    `HELD_OUT_MAX_BYTES`, or into `HELD_OUT_SHARE` of the memory, is decoded again for each use.
    """

    def __init__(
        self,
        pairs: Sequence[Mapping[str, Any]],
        recipe: Mapping[str, Any],
        size: int,
        beat: Beat,
        *,
        room_bytes: int | None = None,
    ) -> None:
        """Decode nothing yet.

        Args:
            pairs: of the run spec.
            recipe: of the run spec.
            size: the side in pixels.
            beat: called between images.
            room_bytes: how much may be kept; by default see the class.
        """
        self._pairs = pairs
        self._recipe = recipe
        self.size = size
        self._beat = beat
        self._room_bytes = room_bytes
        self._kept: dict[int, Pair] = {}

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    @property
    def are_common(self) -> list[bool]:
        """Return for each pair whether the live model's training held it out too."""
        return [bool(pair.get("is_common")) for pair in self._pairs]

    def at_size(self, size: int) -> HeldOut:
        """Return the same pairs at another size, or these where it is the same size."""
        if size == self.size:
            return self
        return HeldOut(self._pairs, self._recipe, size, self._beat, room_bytes=self._room_bytes)

    def decoded(self, limit: int) -> Iterator[Pair]:
        """Yield (input_image, target) of the first `limit` pairs, uint8, not to be written to.

        Raises:
            DataError: a pair cannot be read.
        """
        for index, pair in enumerate(islice(self._pairs, limit)):
            self._beat()
            found = self._kept.get(index)
            if found is None:
                found = load_pair(pair, self._recipe, self.size)
                self._keep(index, found)
            yield found

    def targets(self, limit: int) -> Iterator[Pixels]:
        """Yield only the targets of the first `limit` pairs; what is not kept stays so.

        Raises:
            DataError: a target cannot be read.
        """
        for index, pair in enumerate(islice(self._pairs, limit)):
            self._beat()
            found = self._kept.get(index)
            yield found[1] if found else load_target(pair, self._recipe, self.size)

    def _keep(self, index: int, pair: Pair) -> None:
        if self._room_bytes is None:
            self._room_bytes = min(HELD_OUT_MAX_BYTES, int(machine.free_bytes() * HELD_OUT_SHARE))
        each_bytes = sum(pixels.nbytes for pixels in pair)  # all pairs have one size
        if (len(self._kept) + 1) * each_bytes <= self._room_bytes:
            self._kept[index] = pair
