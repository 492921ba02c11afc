"""The held-out scores of a training on its way: when, and which weights were best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pixd.pix2pix.learning import early, evaluation
from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.checkpoints import Checkpoints
from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.patience import SPACING, Patience, Standing
from pixd.pix2pix.learning.scores import NAMES
from pixd.pix2pix.network.averaging import WeightAverage
from pixd.pix2pix.network.generator import Inference
from pixd.system.children.child import Events

PREFIX: Final = "validation_"  # of the names of the scores in the curve
AVERAGED: Final = f"{PREFIX}averaged"  # 1 where they are those of the averaged weights
# Of a training without patience: evenly spaced, the last after the last step.
VALIDATIONS: Final = 10
STEPS_A_VALIDATED_PAIR: Final = 50  # so that validation takes a few per cent of the training's time

Curve = list[dict[str, Any]]


class Validation:
    """Scores a generator on the held-out pairs at some steps, and remembers the best.

    Attributes:
        standing: where the scores stand; None where all steps are trained whatever they say.
    """

    def __init__(
        self,
        *,
        steps: int,
        patience: Patience | None,
        events: Events,
        held_out: HeldOut,
        average: WeightAverage,
        checkpoints: Checkpoints,
        curve: Curve,
    ) -> None:
        """Score nothing yet.

        Args:
            steps: of the whole training.
            patience: when the training stops before; None for never.
            events: where scores are told.
            held_out: the pairs to score with.
            average: of the generator's weights.
            checkpoints: where the best weights are kept.
            curve: of the training so far; each score is added to it.
        """
        self._steps = steps
        self._patience = patience if len(held_out) else None
        self._events, self._held_out = events, held_out
        self._average = average
        self._checkpoints, self._curve = checkpoints, curve
        self._due = frozenset(self._patience.due if self._patience else evenly(steps))
        most = early.EARLY_PAIRS if self._patience else evaluation.VALIDATION_PAIRS
        self._limit = min(most, max(4, steps // STEPS_A_VALIDATED_PAIR))
        self.standing = self._judged()

    @property
    def count(self) -> int:
        """How many validations there are at most."""
        return len(self._due)

    def curve_stride(self, points: int) -> int:
        """Return after how many steps a loss is added to the curve, for at least so many points.

        Where the training ends is not known with patience; then there are many, to be thinned.
        """
        return SPACING // 20 if self._patience else max(1, self._steps // points)

    def is_due(self, step: int) -> bool:
        """Tell whether the weights after this step are to be scored."""
        return step in self._due

    def has(self, step: int) -> bool:
        """Tell whether they were."""
        return any(p["step"] == step and f"{PREFIX}l1" in p for p in self._curve)

    def score(self, step: int, infer: Inference) -> tuple[dict[str, float], bool]:
        """Score the weights after this step, whose checkpoint is saved, and their average.

        Returns:
            The scores of the better ones by name, as they are in the curve without their prefix,
            and whether these are the averaged ones.
        """
        scores, is_averaged = self._of_the_better(step, infer)
        kept = {name: scores[name] for name in NAMES}
        told = {f"{PREFIX}{name}": value for name, value in kept.items()}
        self._curve.append({"step": step, **told, AVERAGED: float(is_averaged)})
        self._tell(step, kept)
        self.standing = self._judged()
        self._tell_standing()
        if not _is_broken(scores):
            self._remember(Best.of(step, scores, is_averaged=is_averaged))
        return kept, is_averaged

    def _of_the_better(self, step: int, infer: Inference) -> tuple[dict[str, Any], bool]:
        scores = evaluation.validate(infer, self._held_out, self._limit)
        if not self._average.is_begun:
            return scores, False
        with self._average.in_place():
            averaged = evaluation.validate(infer, self._held_out, self._limit)
        if _is_broken(averaged):
            return scores, False
        is_better = Best.of(step, averaged).beats(Best.of(step, scores))
        return (averaged, True) if is_better or _is_broken(scores) else (scores, False)

    def tell_last(self) -> None:
        """Send the last scores from before an interruption again: this parent has none yet."""
        self._tell_standing()
        for point in reversed(self._curve):
            if f"{PREFIX}l1" in point:
                self._tell(point["step"], {n: point.get(f"{PREFIX}{n}") for n in NAMES})
                return

    def _judged(self) -> Standing | None:
        return self._patience.standing(self._history()) if self._patience else None

    def _history(self) -> list[Best]:
        return [
            Best.of(point["step"], {name: point[f"{PREFIX}{name}"] for name in NAMES})
            for point in self._curve
            if f"{PREFIX}l1" in point
        ]

    def _tell(self, step: int, scores: Mapping[str, Any]) -> None:
        self._events.send("validation", step=step, metrics=scores)

    def _tell_standing(self) -> None:
        if self.standing:
            since, stops_at = self.standing.since, self.standing.stops_at
            self._events.send("standing", best_step=since, stops_at=stops_at)

    def _remember(self, scored: Best) -> None:
        """Keep the weights of this step for the export, if they are the best of the later half.

        Those of the first half are never exported: they can have a low L1 because they paint every
        picture alike. On facades, step 400 of 4,000 had the lowest L1. Where the end is not known,
        it is the half until now.
        """
        if self._patience:
            self._checkpoints.remember_best(scored, oldest=scored.step // 2)
        elif 2 * scored.step >= self._steps:
            self._checkpoints.remember_best(scored)


def _is_broken(scores: Mapping[str, Any]) -> bool:
    return bool(scores["collapsed"] or scores["identity_like"])


def evenly(steps: int) -> Iterator[int]:
    """Yield the steps of the validations of a training that makes all of its steps."""
    yield from {steps * part // VALIDATIONS for part in range(1, VALIDATIONS + 1)} - {0}
