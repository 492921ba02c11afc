"""Are the halves of the pairs of a set told apart, and which pairs are the other way round? Pure.

In a paired set the two halves are of two kinds, a map and a photograph, a sketch and a painting, and
many a number differs between them in nearly every pair in the same direction. A pair in which those
numbers differ the other way, all together and about as much, has its halves swapped. Where the
numbers say too little, or too many pairs are in between, nothing is said at all.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.training.dataset.near_duplicates import STATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.training.dataset.near_duplicates import Part

FEWEST_PAIRS: Final = 8
"""Fewer have no majority that means anything."""
_CLEAR: Final = 1.5  # times its usual deviation: a smaller mean difference of a number says nothing
_CLEAREST: Final = 6.0  # one number alone never decides
_ENOUGH: Final = 20.0  # sum of squares of the clear ones: a set of one kind stays below
_OUTLIER: Final = 1.5  # times the usual difference: more counts as this much
_SWAPPED: Final = -0.5  # of the usual score, 1; a pair that is swapped has about -1
_UNCLEAR: Final = 0.25  # scores up to here, either way, say nothing
_MOST_UNCLEAR: Final = 0.05  # share of pairs
_DEVIATION: Final = 1.4826  # of a normal distribution, from its median absolute deviation


class Sides(NamedTuple):
    """What the halves of a set say.

    Attributes:
        swapped: places of the pairs that are the other way round; None where the halves are not
            told apart well enough to say.
        flatter: 0 or 1, the half that has fewer colours and less detail in most pairs, such as a
            label map or a sketch; None where neither clearly has.
    """

    swapped: tuple[int, ...] | None
    flatter: int | None


def compare(pairs: Sequence[tuple[Part, Part]]) -> Sides:
    """Compare the halves of each pair with those of all others."""
    if len(pairs) < FEWEST_PAIRS:
        return Sides(None, None)
    columns: list[list[float]] = []
    weights: list[float] = []
    usual: dict[str, float] = {}
    for place, name in enumerate(STATS):
        differences = [float(one.stats[place] - other.stats[place]) for one, other in pairs]
        middle = median(differences)
        deviation = _DEVIATION * median(abs(value - middle) for value in differences)
        clear = min(_CLEAREST, abs(middle) / max(1.0, deviation))
        if clear >= _CLEAR:
            columns.append([_limited(value / middle) for value in differences])
            weights.append(clear**2)
            usual[name] = middle
    if sum(weights) < _ENOUGH:
        return Sides(None, None)
    total = sum(weights)
    scores = [
        sum(weight * value for weight, value in zip(weights, row, strict=True)) / total
        for row in zip(*columns, strict=True)
    ]
    unclear = sum(abs(score) < _UNCLEAR for score in scores)
    if unclear > _MOST_UNCLEAR * len(pairs):
        return Sides(None, None)
    swapped = tuple(place for place, score in enumerate(scores) if score < _SWAPPED)
    return Sides(swapped, _flatter(usual))


def _limited(value: float) -> float:
    return max(-_OUTLIER, min(_OUTLIER, value))


def _flatter(usual: dict[str, float]) -> int | None:
    """Return the half that is drawn rather than photographed, if the numbers agree on one."""
    signs = {
        usual[name] * sign > 0
        for name, sign in (("colours", 1), ("detail", 1), ("flat", -1))
        if name in usual
    }
    if len(signs) != 1:
        return None
    return 1 if signs.pop() else 0
