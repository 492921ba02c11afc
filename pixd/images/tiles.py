"""A picture larger than the model's square: where its tiles lie, and how they are joined again.

Tiles overlap, and there one fades into the next. The weight of a tile is a raised cosine over the
whole overlap: neither its value nor its slope has a step, and it is smallest at a tile's border,
where a network knows least. Rows of tiles come from top to bottom, and a row of pixels is finished
as soon as no later tile reaches it. So memory holds only a band as wide as the picture and as high
as a tile, whatever the height of the picture.

Nothing is resized: a tile shows the picture at its own scale. A side that is shorter than the
square has one tile, with the edge pixels repeated around the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

OVERLAP_SHARE: Final = 0.25
"""At least this share of a tile's side overlaps. Half would cost 4 times the pixels; this costs 1.8
times. A band of 64 of 256 pixels spreads a step of 40 between two tiles to one value a pixel."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where tiles lie along one side of a picture.

    Attributes:
        length: of the side, pixels.
        size: of a tile, pixels.
        starts: where each tile begins, pixels; negative where the picture is smaller than it.
        weights: of each tile, (size,) float32; those of all tiles at a pixel add up to 1.
    """

    length: int
    size: int
    starts: tuple[int, ...]
    weights: tuple[NDArray[np.float32], ...]

    @classmethod
    def along(cls, length: int, size: int) -> Axis:
        """Spread tiles evenly: as few as overlap by `OVERLAP_SHARE`.

        Args:
            length: of the side, pixels, at least 1.
            size: of a tile, pixels.
        """
        if length <= size:
            start = -((size - length) // 2)
            return cls(length, size, (start,), (np.ones(size, np.float32),))
        count = count_along(length, size)
        starts = tuple(round(i * (length - size) / (count - 1)) for i in range(count))
        return cls(length, size, starts, _weights(starts, length, size))

    def finished_by(self, index: int) -> tuple[int, int]:
        """Return the pixels that are final once tile `index` is added: the first, and the end."""
        last = index + 1 == len(self.starts)
        return max(0, self.starts[index]), self.length if last else self.starts[index + 1]


def count_along(length: int, size: int) -> int:
    """Return how many tiles a side of `length` pixels has."""
    if length <= size:
        return 1
    overlap = int(size * OVERLAP_SHARE)
    return -(-(length - overlap) // (size - overlap))


def count_of(width: int, height: int, size: int) -> int:
    """Return how many tiles of `size` pixels a picture has."""
    return count_along(width, size) * count_along(height, size)


def _weights(starts: tuple[int, ...], length: int, size: int) -> tuple[NDArray[np.float32], ...]:
    raw = []
    for index, start in enumerate(starts):
        weight = np.ones(size)
        if index:
            overlap = starts[index - 1] + size - start
            weight[:overlap] *= _rise(overlap)
        if index + 1 < len(starts):
            overlap = start + size - starts[index + 1]
            weight[size - overlap :] *= _rise(overlap)[::-1]
        raw.append(weight)
    total = np.zeros(length)  # three tiles overlap where a side is barely longer than two
    for start, weight in zip(starts, raw, strict=True):
        total[start : start + size] += weight
    return tuple(
        (weight / total[start : start + size]).astype(np.float32)
        for start, weight in zip(starts, raw, strict=True)
    )


def _rise(length: int) -> NDArray[np.float64]:
    """Return a raised cosine from nearly 0 to nearly 1; with its mirror image it adds up to 1."""
    rise: NDArray[np.float64] = np.sin(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
    return rise


class Band:
    """Rows of a picture, to cut tiles from. A source gives them from top to bottom."""

    def __init__(self, across: Axis, down: Axis) -> None:
        """Begin above the first row."""
        self._across, self._down = across, down
        self._rows: NDArray[np.uint8] | None = None
        self._top = 0

    def missing(self, index: int) -> int:
        """Return how many more rows of the picture tile row `index` needs."""
        end = min(self._down.starts[index] + self._down.size, self._down.length)
        return end - self._top - (0 if self._rows is None else len(self._rows))

    def add(self, rows: NDArray[np.uint8], index: int) -> None:
        """Take the next rows, (n, width, channels) uint8; forget those above tile row `index`."""
        top = max(0, self._down.starts[index])
        if self._rows is not None:
            kept = self._rows[top - self._top :]
            rows = np.concatenate([kept, rows]) if len(kept) else rows
        self._rows, self._top = rows, top

    def rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return rows of the picture that were added and not forgotten."""
        assert self._rows is not None  # only called after `add`
        return self._rows[top - self._top : bottom - self._top]

    def tiles(self, index: int) -> Iterator[NDArray[np.uint8]]:
        """Yield the tiles of row `index`, from left to right, (size, size, 3) uint8."""
        top = max(0, self._down.starts[index])
        rows = self.rows(top, min(self._down.starts[index] + self._down.size, self._down.length))
        above, below = _around(self._down, index)
        for column, start in enumerate(self._across.starts):
            left, right = _around(self._across, column)
            square = rows[:, max(0, start) : start + self._across.size, :3]
            if above or below or left or right:
                square = np.pad(square, ((above, below), (left, right), (0, 0)), mode="edge")
            yield np.ascontiguousarray(square)


class Canvas:
    """Adds up weighted tiles, and gives the rows that are finished."""

    def __init__(self, across: Axis, down: Axis) -> None:
        """Begin empty, above the first row."""
        self._across, self._down = across, down
        self._sums = np.zeros((min(down.size, down.length), across.length, 3), np.float32)
        self._top = 0

    def lay(self, tile: NDArray[np.uint8], row: int, column: int) -> None:
        """Add a tile, (size, size, 3) uint8. Rows of tiles come in order."""
        above, _ = _around(self._down, row)
        left, _ = _around(self._across, column)
        top, start = max(0, self._down.starts[row]), max(0, self._across.starts[column])
        bottom = min(self._down.starts[row] + self._down.size, self._down.length)
        end = min(self._across.starts[column] + self._across.size, self._across.length)
        height, width = bottom - top, end - start
        weights = (
            self._down.weights[row][above : above + height, None]
            * self._across.weights[column][None, left : left + width]
        )
        part = self._sums[top - self._top : bottom - self._top, start:end]
        part += tile[above : above + height, left : left + width] * weights[..., None]

    def finished(self, row: int) -> NDArray[np.uint8]:
        """Remove and return the rows that tile row `row` makes final, (rows, width, 3) uint8."""
        top, end = self._down.finished_by(row)
        count = end - top
        made = np.rint(self._sums[:count]).clip(0, 255).astype(np.uint8)
        kept = len(self._sums) - count
        self._sums[:kept] = self._sums[count:].copy() if kept > count else self._sums[count:]
        self._sums[kept:] = 0
        self._top = end
        return made


def _around(axis: Axis, index: int) -> tuple[int, int]:
    """Return how many pixels of a tile lie before the picture and how many behind it."""
    start = axis.starts[index]
    return max(0, -start), max(0, start + axis.size - axis.length)
