"""The held-out scores of a training on its way: when, and which weights were best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pixd.pix2pix.learning import evaluation
from pixd.pix2pix.learning.best import Best
from pixd.pix2pix.learning.checkpoints import Checkpoints
from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.patience import SPACING, Patience, Standing
from pixd.pix2pix.learning.scores import NAMES
from pixd.pix2pix.network.generator import Inference
from pixd.system.children.child import Events

PREFIX: Final = "validation_"  # of the names of the scores in the curve
VALIDATIONS: Final = (
    10  # of a training without patience, evenly spaced; the last after the last step
)
STEPS_A_VALIDATED_PAIR: Final = 50  # so that validation takes a few per cent of the training's time

Curve = list[dict[str, Any]]


class Validation:
    """Scores a generator on the held-out pairs at some steps, and remembers the best."""

    def __init__(
        self,
        *,
        steps: int,
        patience: Patience | None,
        events: Events,
        held_out: HeldOut,
        checkpoints: Checkpoints,
        curve: Curve,
    ) -> None:
        """Score nothing yet.

        Args:
            steps: of the whole training.
            patience: when the training stops before; None for never.
            events: where scores are told.
            held_out: the pairs to score with.
            checkpoints: where the best weights are kept.
            curve: of the training so far; each score is added to it.
        """
        self._steps = steps
        self._patience = patience if len(held_out) else None
        self._events, self._held_out = events, held_out
        self._checkpoints, self._curve = checkpoints, curve
        self._due = frozenset(self._patience.due if self._patience else evenly(steps))
        self._limit = min(evaluation.VALIDATION_PAIRS, max(4, steps // STEPS_A_VALIDATED_PAIR))

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

    def score(self, step: int, infer: Inference) -> Mapping[str, float]:
        """Score the weights after this step, whose checkpoint is saved.

        Returns:
            The scores by name, as they are in the curve without their prefix.
        """
        scores = evaluation.validate(infer, self._held_out, self._limit)
        kept = {name: scores[name] for name in NAMES}
        self._curve.append({"step": step, **{f"{PREFIX}{n}": v for n, v in kept.items()}})
        self._tell(step, kept)
        self._tell_standing()
        is_broken = scores["collapsed"] or scores["identity_like"]
        if self._may_be_best(step) and not is_broken:
            self._checkpoints.remember_best(
                Best(step, scores["l1"], scores["ssim"], scores["sharpness"])
            )
        return kept

    def tell_last(self) -> None:
        """Send the last scores from before an interruption again: this parent has none yet."""
        self._tell_standing()
        for point in reversed(self._curve):
            if f"{PREFIX}l1" in point:
                self._tell(point["step"], {n: point.get(f"{PREFIX}{n}") for n in NAMES})
                return

    @property
    def standing(self) -> Standing | None:
        """Where the scores stand; None where all steps are trained whatever they say."""
        return self._patience.standing(self._history()) if self._patience else None

    def _history(self) -> list[Best]:
        return [
            Best(point["step"], *(point[f"{PREFIX}{name}"] for name in Best._fields[1:]))
            for point in self._curve
            if f"{PREFIX}l1" in point
        ]

    def _tell(self, step: int, scores: Mapping[str, Any]) -> None:
        self._events.send("validation", step=step, metrics=scores)

    def _tell_standing(self) -> None:
        if standing := self.standing:
            self._events.send("standing", best_step=standing.since, stops_at=standing.stops_at)

    def _may_be_best(self, step: int) -> bool:
        """Tell whether weights of this step may be exported at the end.

        Those of the first half are never the best: they can have a low L1 because they paint every
        picture alike. On facades, step 400 of 4,000 had the lowest L1.
        """
        return bool(self._patience) or 2 * step >= self._steps


def evenly(steps: int) -> Iterator[int]:
    """Yield the steps of the validations of a training that makes all of its steps."""
    yield from {steps * part // VALIDATIONS for part in range(1, VALIDATIONS + 1)} - {0}
