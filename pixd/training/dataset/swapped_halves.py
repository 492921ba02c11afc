"""Which pairs of a set have their halves swapped. Pure.

The two halves of a pair are of two kinds, such as a map and a photograph. Several numbers then
differ between them, in nearly every pair in the same direction. If all these numbers differ the
other way in one pair, by about as much, its halves are swapped. If the numbers say too little, or
if too many pairs are unclear, there is no answer.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.training.dataset.near_duplicates import STATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.training.dataset.near_duplicates import Part

FEWEST_PAIRS: Final = 8
"""With fewer pairs a majority means nothing."""
_CLEAR: Final = 1.5  # times its usual deviation: a number whose difference is smaller is not used
_CLEAREST: Final = 6.0  # the most that one number can count
_ENOUGH: Final = 20.0  # sum of their squares: it stays below where both halves are of one kind
_OUTLIER: Final = 1.5  # times the usual difference: a larger one counts as this much
_SWAPPED: Final = -0.5  # the usual score is 1, and a swapped pair has about -1
_UNCLEAR: Final = 0.25  # a score that is closer than this to 0 says nothing
_MOST_UNCLEAR: Final = 0.05  # share of pairs: with more unclear ones there is no answer
_DEVIATION: Final = 1.4826  # of a normal distribution, from its median absolute deviation


class Sides(NamedTuple):
    """What the halves of a set have in common.

    Attributes:
        swapped: places of the pairs whose halves are swapped; None if the halves do not differ
            enough to say.
        flatter: 0 or 1, the half that has fewer colours and less detail in most pairs, such as a
            label map or a sketch; None if neither clearly has.
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
    """Return the half that has fewer colours and less detail, if the numbers agree."""
    signs = {
        usual[name] * sign > 0
        for name, sign in (("colours", 1), ("detail", 1), ("flat", -1))
        if name in usual
    }
    if len(signs) != 1:
        return None
    return 1 if signs.pop() else 0
