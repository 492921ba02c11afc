"""When a training has learned what it will learn from its pairs. Pure.

A number of epochs is a guess about pairs that nobody has seen yet. The held-out scores say when more
steps no longer help: they go up and down, and do not get better. A score is better only if it is so by
more than such scores go up and down by themselves, and by more than two seeds differ.

What the numbers stand on is told in docs/training.md.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pixd.config.patience import NEVER, patience_in
from pixd.pix2pix.learning.best import Best

SPACING: Final = 500  # steps between validations, at least, so that they take a few per cent
GROWTH: Final = 1.2  # a validation comes at this times the step of the one before, at least
AS_LONG_AGAIN: Final = 3.0  # times the step of the last progress: then `auto` stops
AT_LEAST: Final = 10  # validations that `auto` waits for, however early the last progress was
EPOCHS: Final = 10  # as often `auto` has every pair seen before it stops
WORTH_IT: Final = 0.03  # of the distance: as much as two seeds of one training differ


class Standing(NamedTuple):
    """Where the scores of a training stand.

    Attributes:
        since: the step of the last progress; 0 before the first validation.
        stops_at: the first step at which it stops if there is no other.
        stops: whether it stops now.
    """

    since: int
    stops_at: int
    stops: bool


class Patience:
    """How long a training goes on without progress."""

    def __init__(self, patience: str | int, steps: int, epoch_steps: int) -> None:
        """Wait as long as the settings say.

        Args:
            patience: "auto", or a number of validations.
            steps: of the whole training, which it never exceeds.
            epoch_steps: in which every pair is seen once.
        """
        self._steps_to_see_all = EPOCHS * epoch_steps
        self._waits = patience if isinstance(patience, int) else 0
        self._steps = steps
        self.due = tuple(_grown(steps))

    def standing(self, history: Sequence[Best]) -> Standing:
        """Judge the scores so far.

        Args:
            history: those of every validation, in order.
        """
        if not history:
            first = self.due[0]  # which is the best until then
            return Standing(0, self._earliest(first, 1, 0, first), stops=False)
        best = _last_progress(history)
        waited = sum(one.step > best.step for one in history)
        last = history[-1].step
        stops = self._is_enough(last, len(history), best.step, waited)
        stops_at = last if stops else self._earliest(best.step, len(history), waited, last)
        return Standing(best.step, stops_at, stops=stops)

    def _is_enough(self, step: int, validations: int, since: int, waited: int) -> bool:
        if self._waits:
            return waited >= self._waits
        is_seen = validations >= AT_LEAST and step >= self._steps_to_see_all
        return is_seen and step >= AS_LONG_AGAIN * since

    def _earliest(self, since: int, validations: int, waited: int, last: int) -> int:
        """Return the step of the validation that stops it, if nothing gets better until then."""
        coming = [step for step in self.due if step > last]
        for more, step in enumerate(coming, start=1):
            if self._is_enough(step, validations + more, since, waited + more):
                return step
        return self._steps


def of_recipe(recipe: Mapping[str, Any], steps: int, pairs: int) -> Patience | None:
    """Return the patience that a recipe asks for; None where its steps are all trained.

    Args:
        recipe: of the run spec.
        steps: of the whole training.
        pairs: to train on.
    """
    said = patience_in(recipe)
    epoch_steps = -(-pairs // int(recipe["batch_size"]))
    return None if said == NEVER else Patience(said, steps, epoch_steps)


def _grown(steps: int) -> Iterator[int]:
    step = SPACING
    while step < steps:
        yield step
        step = max(step + SPACING, int(step * GROWTH))
    yield steps


def _last_progress(history: Sequence[Best]) -> Best:
    best = history[0]
    for number, one in enumerate(history[1:], start=2):
        if _is_progress(one, best, _spread(history[:number])):
            best = one
    return best


def _is_progress(one: Best, best: Best, spread: float) -> bool:
    gain = max(spread, WORTH_IT * best.distance)
    return one.beats(best) and (one.distance < best.distance - gain or one.is_clearer_than(best))


def _spread(history: Sequence[Best]) -> float:
    """Return by how much the distance usually rises, where it does; falling is what it should do."""
    rises = [b.distance - a.distance for a, b in itertools.pairwise(history)]
    return statistics.median([rise for rise in rises if rise > 0] or [0.0])
