"""When a training tries to give an early model, and whether its pictures are worth showing. Pure.

The first useful picture must not wait for the last step. So while nothing of these pairs is live,
the training scores itself at times that grow, and gives a model away if that one draws what belongs
to its input. The scores are those of a few held-out pairs, so that a try costs seconds.

What the times and bounds stand on is told in docs/training.md.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from pixd.pix2pix.learning.best import Best
from pixd.store import model_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMES: Final = (1, 2, 3, 10, 30)  # times the first wait; after these it doubles
UNTIL_ONE: Final = (4.5, 6.7, 15, 22)
"""Also tried at, while no model was worth showing: a slow machine needs 5 minutes for the steps that others
make in 3, and would then show nothing until the tenth."""
LAST_SHARE: Final = 2 / 3  # of the steps: later the model itself is nearer than it is worth
EARLY_PAIRS: Final = 32  # at most, to score an early model with
CLEARLY_NEARER: Final = 0.8  # times the L1 of the mean target: nobody paints this without learning
SHARP_ENOUGH: Final = 0.4  # of the targets' sharpness, close and at a glance: no fog, and no weave
NEAR_ENOUGH: Final = 1.25  # times the L1 of the mean target, for a picture that is sharp
"""On hard data no picture has a better L1 than the mean of all targets, which is fog. A sharp one that
is drawn from the targets at random has about 1.3 times that L1."""


class Times:
    """When the next try is due, by the seconds that a training took in all its attempts."""

    def __init__(
        self,
        first_s: float,
        *,
        trained_s: float = 0.0,
        tried_s: float = 0.0,
        has_one: bool = False,
    ) -> None:
        """Go on counting.

        Args:
            first_s: seconds of training before the first try; 0 for no early models.
            trained_s: what earlier attempts took, as their last checkpoint says.
            tried_s: what had been trained at the last try, as it says too.
            has_one: whether a try gave a model.
        """
        self._first_s = first_s
        self._before_s = trained_s
        self._began_at: float | None = None
        self._paused_s = 0.0
        self.tried_s = tried_s
        self.has_one = has_one

    def trained_s(self, now: float) -> float:
        """Return how many seconds were trained. `now`: monotonic seconds."""
        if self._began_at is None:
            self._began_at = now
        return self._before_s + now - self._began_at - self._paused_s

    def pause(self, seconds: float) -> None:
        """Leave out what was not training: scoring and exporting."""
        self._paused_s += seconds

    def is_due(self, now: float, share_done: float) -> bool:
        """Tell whether to try now, after this share of the steps. `now`: monotonic seconds."""
        trained_s = self.trained_s(now)
        return bool(self._first_s) and share_done <= LAST_SHARE and trained_s >= self._next_s()

    def done(self, now: float) -> None:
        """Count the tries whose time has come as done. `now`: monotonic seconds."""
        self.tried_s = self.trained_s(now)

    def _next_s(self) -> float:
        """Return the second of the first try after the last one."""
        return next(at for at in self._all_s() if at > self.tried_s)

    def _all_s(self) -> Iterator[float]:
        for times in sorted(TIMES if self.has_one else (*TIMES, *UNTIL_ONE)):
            yield times * self._first_s
        for doubled in itertools.count(1):
            yield TIMES[-1] * 2.0**doubled * self._first_s


def why_not(metrics: Mapping[str, Any], before: Best | None, step: int) -> str:
    """Say why a generator gives no early model; "" if it does.

    Args:
        metrics: its scores beside the baselines, as `pixd.pix2pix.learning.evaluation.evaluate`
            returns them.
        before: the last early model of this training.
        step: the step of this one.
    """
    if metrics.get("l1") is None:
        return "no pairs are held out to score it with"
    return next(_reasons(metrics, before, step), "")


def _reasons(metrics: Mapping[str, Any], before: Best | None, step: int) -> Iterator[str]:
    if metrics["collapsed"]:
        yield "its outputs are nearly the same everywhere"
    if metrics["identity_like"] or not _beats_identity(metrics):
        yield "it is no nearer to the targets than the input as it is"
    if model_scores.is_unrelated(metrics):
        yield "its outputs fit the targets of other pairs as well as their own"
    if not _beats_mean_target(metrics):
        yield "it shows no more than the mean of all targets"
    if before is not None and not best_of(step, metrics).beats(before):
        yield f"it is no better than that of step {before.step}"


def best_of(step: int, metrics: Mapping[str, Any]) -> Best:
    """Return the scores that decide which of two is better.

    On facades L1 and SSIM are after 174 steps what they are after 4,000; what grows is what one sees
    at a glance.
    """
    return Best(step, metrics["l1"], metrics["ssim"], _sharpness(metrics))


def _sharpness(metrics: Mapping[str, Any]) -> float:
    """Return the smaller of the sharpness close and at a glance.

    Baselines have only the first, and so has a model whose targets are all flat at a glance.
    """
    close: float = metrics["sharpness"]
    coarse = metrics.get("coarse_sharpness")
    return close if coarse is None else min(close, float(coarse))


def _beats_identity(metrics: Mapping[str, Any]) -> bool:
    identity = metrics["baselines"]["identity"]
    return best_of(0, metrics).distance < best_of(0, identity).distance


def _beats_mean_target(metrics: Mapping[str, Any]) -> bool:
    l1, mean_l1 = metrics["l1"], metrics["baselines"]["mean_target"]["l1"]
    if l1 <= CLEARLY_NEARER * mean_l1:
        return True
    return bool(_sharpness(metrics) >= SHARP_ENOUGH and l1 <= NEAR_ENOUGH * mean_l1)
