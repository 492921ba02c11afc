"""Which pictures of a training set are nearly the same, from their thumbnails alone. Pure.

A thumbnail is 8 x 8 means of luma and of both colour differences, the latter at half weight. Two
parts are nearly the same if their thumbnails differ, on average, by less than `NEAR` times the
contrast of the flatter one, and their means and tilts by less than `MEAN_NEAR` times it. Two pairs
are nearly the same if all their parts are.

A picture that was encoded again and enlarged or reduced stays within that. With JPEG of quality 30
to 90 at scales of 0.5 to 1.5, the median difference is 0.05 and the largest 0.12. Different
pictures differ by more: the nearest two of 400 photographed facades with their label maps differ by
0.33, and the nearest two of 200 pictures that one program drew by 0.22.

`Index` finds near pairs without comparing all with all. Near pictures have nearly the same mean
and contrast, so only pictures with such a mean and contrast are compared. No near pair is missed.
For thousands of pictures `pixd.training.dataset.array_index` gives the same answers sooner.
"""

from __future__ import annotations

import base64
import itertools
import math
from operator import sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pixd.images.value_use import ValueUse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REVISION: Final = 1
"""Raise it if `pixd.training.dataset.measures` now gives other numbers for the same picture."""
THUMB_PX: Final = 8
STATS: Final = (
    "colours",  # entropy of the colours at 16 levels a channel, hundredths of a bit
    "detail",  # mean step of luma to the neighbours, tenths of a level
    "flat",  # pixels without a step, of 1000
    "saturation",  # mean distance of the largest and the smallest channel, levels
    "light",  # mean luma, levels
    "contrast",  # standard deviation of luma, levels
    "red",
    "green",
    "blue",  # means, levels
)
"""The numbers that are measured of each part, in order."""

NEAR: Final = 0.14
MEAN_NEAR: Final = 0.1
FLOOR: Final = 3.0
"""Levels. A picture of less contrast counts as having this much. Without that, a nearly blank picture
would differ from its own copy by the noise of the encoding."""
_SAME_THUMB: Final = (
    0.02  # of the contrast: two halves of one JPEG that show the same differ by less
)
_SAME_DETAIL: Final = 0.05  # a picture differs from its blurred, sharpened or noisy version by more
_BAND: Final = 1 + 2 * NEAR + 0.01
"""The ratio of the contrasts at the two ends of a band. Let the flatter of two near parts have contrast
c. The other one's is at most c + 2 * NEAR * c, because each value differs by NEAR * c on average, and
so does the mean that it is taken from. So the other one is in the same band or in the next."""
_PIXELS: Final = THUMB_PX * THUMB_PX
_VALUES: Final = _PIXELS * 3


class Part(NamedTuple):
    """One half of a pair, or a single picture, as `pixd.training.dataset.measures` saw it.

    Attributes:
        width: pixels.
        height: pixels.
        thumb: `THUMB_PX` x `THUMB_PX` x (Y, Cb / 2 + 64, Cr / 2 + 64), levels, by rows.
        plain: pixels of 100,000 that have nearly the most common values.
        stats: the numbers that `STATS` names.
        mean: luma of the thumbnail, levels.
        tilts: how much lighter its upper and its left half are than its mean, levels.
        contrast: mean distance of the thumbnail's values from their channel's mean, levels.
        values: which values its file has; None where an earlier pixd measured it, or where they
            are not whole numbers.
    """

    width: int
    height: int
    thumb: bytes
    plain: int
    stats: tuple[int, ...]
    mean: float
    tilts: tuple[float, float]
    contrast: float
    values: ValueUse | None = None

    @classmethod
    def from_json(cls, measured: Mapping[str, Any]) -> Part:
        """Read one part as `pixd.training.dataset.measures.measure` gives it.

        Raises:
            ValueError: it does not have the form of this revision; KeyError and TypeError mean the same.
        """
        thumb = base64.b64decode(measured["thumb"], validate=True)
        stats = tuple(int(value) for value in measured["stats"])
        if len(thumb) != _VALUES or len(stats) != len(STATS):
            raise ValueError("a thumbnail or its numbers are not whole")
        channels = [thumb[channel::3] for channel in range(3)]
        means = [sum(values) / _PIXELS for values in channels]
        luma = channels[0]
        upper = sum(luma[: _PIXELS // 2])
        left = sum(sum(luma[at : at + THUMB_PX // 2]) for at in range(0, _PIXELS, THUMB_PX))
        spread = sum(
            abs(value - mean)
            for values, mean in zip(channels, means, strict=True)
            for value in values
        )
        return cls(
            int(measured["width"]),
            int(measured["height"]),
            thumb,
            int(measured["plain"]),
            stats,
            means[0],
            (2 * upper / _PIXELS - means[0], 2 * left / _PIXELS - means[0]),
            spread / _VALUES,
            ValueUse.from_json(measured["values"]) if measured.get("values") else None,
        )

    def stat(self, name: str) -> int:
        """Return one of the numbers that `STATS` names."""
        return self.stats[STATS.index(name)]


Parts = tuple[Part, ...]  # of a pair: both its halves, or its one picture


def difference(one: bytes, other: bytes) -> float:
    """Return the mean difference of two thumbnails, levels."""
    levels: int = sum(map(abs, map(sub, one, other)))
    return levels / len(one)


def are_near(ones: Parts, others: Parts) -> bool:
    """Tell whether two pairs are nearly the same."""
    for one, other in zip(ones, others, strict=True):
        contrast = max(FLOOR, min(one.contrast, other.contrast))
        limit = (
            MEAN_NEAR * contrast
        )  # compared first, because it takes a tenth of the time of the thumbnails
        if (
            abs(one.mean - other.mean) > limit
            or abs(one.tilts[0] - other.tilts[0]) > limit
            or abs(one.tilts[1] - other.tilts[1]) > limit
            or difference(one.thumb, other.thumb) > NEAR * contrast
        ):
            return False
    return True


def are_the_same(one: Part, other: Part) -> bool:
    """Tell whether two halves are the same picture, in detail too.

    A picture and its noisy, blurred or recoloured version are not: these are pairs to learn from.
    """
    contrast = max(FLOOR, min(one.contrast, other.contrast))
    if difference(one.thumb, other.thumb) > _SAME_THUMB * contrast:
        return False
    return all(
        abs(one.stat(name) - other.stat(name)) <= 1 + _SAME_DETAIL * one.stat(name)
        for name in ("detail", "colours", "saturation", "contrast")
    )


class AnyIndex(Protocol):
    """Pairs that are compared with others; each has a key and a label."""

    def __contains__(self, key: str) -> bool:
        """Tell whether a pair has this key."""

    def add(self, key: str, parts: Parts, label: str) -> None:
        """Add a pair that is not there yet."""

    def relabel(self, key: str, label: str) -> None:
        """Give a pair another label."""

    def drop(self, key: str) -> None:
        """Take a pair out."""

    def near(self, parts: Parts) -> Iterator[str]:
        """Yield the keys of the pairs that are near the given one, in no order."""

    def labels_near(self, parts: Parts) -> set[str]:
        """Return the labels of the pairs that are near the given one."""


class Index:
    """Pairs, filed so that near ones are found quickly; each has a key and a label."""

    def __init__(self) -> None:
        """Begin with none."""
        self._labels: dict[str, str] = {}
        self._parts: dict[str, Parts] = {}
        self._cells: dict[tuple[int, ...], list[str]] = {}

    def __contains__(self, key: str) -> bool:
        """Tell whether a pair has this key."""
        return key in self._parts

    def add(self, key: str, parts: Parts, label: str) -> None:
        """Add a pair that is not there yet."""
        self._parts[key] = parts
        self._labels[key] = label
        self._cells.setdefault(_cell(parts), []).append(key)

    def relabel(self, key: str, label: str) -> None:
        """Give a pair another label."""
        self._labels[key] = label

    def drop(self, key: str) -> None:
        """Take a pair out."""
        self._cells[_cell(self._parts.pop(key))].remove(key)
        del self._labels[key]

    def near(self, parts: Parts) -> Iterator[str]:
        """Yield the keys of the pairs that are near the given one, in no order."""
        for cell in _cells_around(parts):
            for key in self._cells.get(cell, ()):
                if are_near(parts, self._parts[key]):
                    yield key

    def labels_near(self, parts: Parts) -> set[str]:
        """Return the labels of the pairs that are near the given one.

        Once a near pair with a label is found, other pairs with that label are not compared. So
        thousands of pictures that are all alike need thousands of comparisons, not millions.
        """
        found: set[str] = set()
        for cell in _cells_around(parts):
            for key in self._cells.get(cell, ()):
                label = self._labels[key]
                if label not in found and are_near(parts, self._parts[key]):
                    found.add(label)
        return found


def _cell(parts: Parts) -> tuple[int, ...]:
    """Return where a pair is filed: for each part, the band of its contrast and its mean within it."""
    cell: list[int] = []
    for part in parts:
        band = _band(part.contrast)
        cell += (band, math.floor(part.mean / _width(band)))
    return tuple(cell)


def _cells_around(parts: Parts) -> Iterator[tuple[int, ...]]:
    """Yield every cell in which a pair that is near this one can be filed."""
    around: list[list[tuple[int, int]]] = []
    for part in parts:
        places: list[tuple[int, int]] = []
        limit = MEAN_NEAR * max(FLOOR, part.contrast)
        middle = _band(part.contrast)
        for band in range(max(0, middle - 1), middle + 2):
            first = math.floor((part.mean - limit) / _width(band))
            last = math.floor((part.mean + limit) / _width(band))
            places += [(band, step) for step in range(first, last + 1)]
        around.append(places)
    for places_of_each in itertools.product(*around):
        yield tuple(itertools.chain.from_iterable(places_of_each))


def _band(contrast: float) -> int:
    return max(0, math.floor(math.log(max(FLOOR, contrast) / FLOOR, _BAND)))


def _width(band: int) -> float:
    """Return the width of a cell of means: means of near parts in this band differ by no more."""
    return MEAN_NEAR * FLOOR * _BAND ** (band + 1)
