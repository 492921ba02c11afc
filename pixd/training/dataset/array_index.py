"""Finds near pairs among tens of thousands, also where all have the same mean and contrast.

The answers are those of `pixd.training.dataset.near_duplicates.Index`, for every input. There,
pairs of one mean and contrast are compared one by one, so that 20,000 of them take half an hour.
Here a pair is compared with all others at once, by arrays, in three tests, each of which takes
only what the one before it left:

1. means, tilts and contrasts, as `are_near` compares them
2. the sums of the quarters of a thumbnail, for each channel. Their difference is never larger than
   that of the thumbnails, so whoever differs too much here is not near.
3. the thumbnails

This needs numpy, so only children import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pixd.training.dataset.near_duplicates import FLOOR, MEAN_NEAR, NEAR, THUMB_PX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixd.training.dataset.near_duplicates import Part, Parts

    Rows = NDArray[np.intp]

_VALUES: Final = THUMB_PX * THUMB_PX * 3
_QUARTERS: Final = 12  # four of each channel
_FIRST: Final = 1024  # rows; doubled when they are used up
_CHUNK: Final = 32  # thumbnails that are compared first: one near one may be enough
_LARGEST_CHUNK: Final = 1024  # 200 kB of thumbnails, which stay in the processor's cache
_EVEN_BYTES: Final = np.uint64(0x00FF00FF00FF00FF)
_BYTE: Final = np.uint64(8)
_ADDED_UP: Final = np.uint64(0x0001000100010001)  # its product has the sum of four words on top
_TOP_WORD: Final = np.uint64(48)


class _Column:
    """What one part of each pair measures; a row for each pair.

    Attributes:
        levels: (4, rows) float64: mean, both tilts, contrast.
        quarters: (`_QUARTERS`, rows) int32, sums of levels.
        thumbs: (rows, `_VALUES`) uint8.
    """

    def __init__(self) -> None:
        self.levels: NDArray[np.float64] = np.empty((4, _FIRST))
        self.quarters: NDArray[np.int32] = np.empty((_QUARTERS, _FIRST), np.int32)
        self.thumbs: NDArray[np.uint8] = np.empty((_FIRST, _VALUES), np.uint8)

    def put(self, row: int, part: Part) -> None:
        if row == len(self.thumbs):
            self.levels = np.concatenate((self.levels, np.empty_like(self.levels)), axis=1)
            self.quarters = np.concatenate((self.quarters, np.empty_like(self.quarters)), axis=1)
            self.thumbs = np.concatenate((self.thumbs, np.empty_like(self.thumbs)))
        thumb = np.frombuffer(part.thumb, np.uint8)
        self.levels[:, row] = _levels(part)
        self.quarters[:, row] = _quarters(thumb)
        self.thumbs[row] = thumb


class ArrayIndex:
    """Pairs that are compared by arrays; see `pixd.training.dataset.near_duplicates.AnyIndex`."""

    def __init__(self) -> None:
        """Begin with none."""
        self._columns: list[_Column] = []  # one for each part; made with the first pair
        self._rows: dict[str, int] = {}
        self._keys: list[str] = []  # by row
        self._labels: list[str] = []
        self._places: dict[str, int] = {}  # by label
        self._label_rows: NDArray[np.int64] = np.empty(_FIRST, np.int64)
        self.compared = 0  # thumbnails; for tests

    def __contains__(self, key: str) -> bool:
        """Tell whether a pair has this key."""
        return key in self._rows

    def add(self, key: str, parts: Parts, label: str) -> None:
        """Add a pair that is not there yet."""
        row = len(self._keys)
        if not self._columns:
            self._columns = [_Column() for _ in parts]
        for column, part in zip(self._columns, parts, strict=True):
            column.put(row, part)
        if row == len(self._label_rows):
            self._label_rows = np.concatenate((self._label_rows, np.empty_like(self._label_rows)))
        self._keys.append(key)
        self._rows[key] = row
        self.relabel(key, label)

    def relabel(self, key: str, label: str) -> None:
        """Give a pair another label."""
        place = self._places.get(label)
        if place is None:
            place = self._places[label] = len(self._labels)
            self._labels.append(label)
        self._label_rows[self._rows[key]] = place

    def drop(self, key: str) -> None:
        """Take a pair out."""
        row = self._rows.pop(key)
        self._columns[0].levels[0, row] = np.inf  # no mean is near to that

    def near(self, parts: Parts) -> Iterator[str]:
        """Yield the keys of the pairs that are near the given one, in no order."""
        rows = self._candidates(parts)
        for first in range(0, len(rows), _LARGEST_CHUNK):
            for row in self._of_near_thumbs(rows[first : first + _LARGEST_CHUNK], parts):
                yield self._keys[row]

    def labels_near(self, parts: Parts) -> set[str]:
        """Return the labels of the pairs that are near the given one.

        Once a near pair with a label is found, other pairs with that label are not compared.
        """
        found: set[str] = set()
        rows, size = self._candidates(parts), _CHUNK
        while len(rows):
            near = self._of_near_thumbs(rows[:size], parts)
            rows = rows[size:]
            size = min(2 * size, _LARGEST_CHUNK)
            if len(near):
                is_found = np.zeros(len(self._labels), np.bool_)
                is_found[self._label_rows[near]] = True
                found.update(self._labels[place] for place in np.flatnonzero(is_found))
                rows = rows[~is_found[self._label_rows[rows]]]
        return found

    def _candidates(self, parts: Parts) -> Rows:
        """Return the rows that the first two tests leave."""
        count = len(self._keys)
        if not count:
            return np.empty(0, np.intp)
        rows: Rows | None = None  # None: all
        for column, part in zip(self._columns, parts, strict=True):
            # The contrast that counts is at most the given one's, so this leaves too many, if any.
            means = _of(column.levels[0, :count], rows)
            is_left = np.abs(means - part.mean) <= MEAN_NEAR * max(FLOOR, part.contrast)
            rows = np.flatnonzero(is_left) if rows is None else rows[is_left]
        assert rows is not None  # a pair has parts
        for column, part in zip(self._columns, parts, strict=True):
            values = _of(column.levels[:, :count], rows)
            limits = MEAN_NEAR * _contrasts(values[3], part)
            differences = np.abs(values[:3] - np.array(_levels(part)[:3])[:, None])
            rows = rows[(differences <= limits).all(axis=0)]
        for column, part in zip(self._columns, parts, strict=True):
            mine = _quarters(np.frombuffer(part.thumb, np.uint8))[:, None]
            differing = np.abs(_of(column.quarters[:, :count], rows) - mine).sum(axis=0)
            rows = rows[differing / _VALUES <= NEAR * _contrasts(column.levels[3, rows], part)]
        return rows

    def _of_near_thumbs(self, rows: Rows, parts: Parts) -> Rows:
        """Return those of some rows whose thumbnails are near."""
        for column, part in zip(self._columns, parts, strict=True):
            self.compared += len(rows)
            differing = _differences(column.thumbs[rows], np.frombuffer(part.thumb, np.uint8))
            rows = rows[differing / _VALUES <= NEAR * _contrasts(column.levels[3, rows], part)]
        return rows


def _of(values: NDArray[Any], rows: Rows | None) -> NDArray[Any]:
    """Return some columns of an array. If they are most of them, all are copied at once."""
    if rows is None or len(rows) == values.shape[-1]:
        return values
    return values.take(rows, axis=-1)


def _levels(part: Part) -> tuple[float, float, float, float]:
    return (part.mean, *part.tilts, part.contrast)


def _contrasts(values: NDArray[np.float64], part: Part) -> NDArray[np.float64]:
    """Return for each row the contrast that counts: of the flatter one, at least `FLOOR`."""
    return np.maximum(FLOOR, np.minimum(values, part.contrast))


def _differences(thumbs: NDArray[np.uint8], thumb: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return by how much each of some thumbnails differs from another, as a sum of levels.

    Eight bytes are added at a time. A sum is below 192 * 256, so that no word of 16 bits overflows.

    Args:
        thumbs: (rows, `_VALUES`); it is overwritten.
        thumb: (`_VALUES`,).
    """
    larger = np.maximum(thumbs, thumb)
    larger -= np.minimum(thumbs, thumb, out=thumbs)
    words = larger.view(np.uint64)
    sums = (words & _EVEN_BYTES) + ((words >> _BYTE) & _EVEN_BYTES)
    return np.asarray((sums.sum(axis=1) * _ADDED_UP) >> _TOP_WORD)


def _quarters(thumb: NDArray[np.uint8]) -> NDArray[np.int32]:
    half = THUMB_PX // 2
    sums = thumb.reshape(2, half, 2, half, 3).sum(axis=(1, 3), dtype=np.int32)
    return np.asarray(sums, np.int32).reshape(_QUARTERS)
