"""What the recorded scores of a model say, in words. Pure and light, for all who show them.

A score means little alone: an L1 of 12.5 is good where the mean of all targets has 45, and bad where
it has 0.2. A model is doubtful if its outputs have nothing to do with their own targets, or are much
farther from them than an answer that learned nothing. Scores of models that are older than a
measurement lack it; nothing is claimed of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JUDGED_FROM: Final = 7.0
"""Standard deviations that perfect outputs would have. Below it, too few targets differ to judge by:
n different pairs have at most n - 1."""
UNRELATED: Final = 2.0
"""Standard deviations. Models of pairs that do not belong together stay below it 49 times of 50."""
FAR: Final = 2.0
"""A picture that is drawn at random from the targets is on average at most twice as far from another
one as their median is (triangle inequality). What is farther does not even look like the targets."""
VISIBLE: Final = 1.0  # level of 255: less than that nobody sees


def beside(metrics: Mapping[str, Any]) -> str:
    """Return the L1 of what learned nothing, to stand beside a model's; "" if it is not known.

    Args:
        metrics: the scores of a model, as its training measured them.
    """
    told: list[str] = []
    for name, words in (
        ("mean_target", "the mean of all targets"),
        ("identity", "the input as it is"),
    ):
        l1 = baseline_l1(metrics, name)
        if l1 is not None:
            told.append(f"{words} has {l1:.1f}" if not told else f"{words} {l1:.1f}")
    others = others_l1(metrics)
    if others is not None:
        told.append(f"against the targets of other pairs it has {others:.1f}")
    return ", ".join(told)


def baseline_l1(metrics: Mapping[str, Any], name: str) -> float | None:
    """Return the held-out L1 of "mean_target" or "identity", of 255, or None if it is not known."""
    return _number((metrics.get("baselines") or {}).get(name), "l1")


def others_l1(metrics: Mapping[str, Any]) -> float | None:
    """Return the L1 of the outputs against targets of other pairs, or None if it is not known."""
    return _number(metrics.get("others"), "l1")


def doubts(metrics: Mapping[str, Any]) -> str:
    """Say why a model is not to be called good; "" if nothing speaks against it or nothing is known.

    Args:
        metrics: the scores of a model, as its training measured them.
    """
    return "; ".join(_doubts(metrics))


def distance(l1: float, ssim: float) -> float:
    """Return how far outputs are from their targets: L1, made smaller by shared structure (SSIM).

    Each score alone prefers wrong pictures. L1 prefers a picture that is blurred in its unsure
    parts. SSIM accepts one with the windows in place and the walls in any colour.
    """
    return l1 * (1 - ssim)


def is_unrelated(metrics: Mapping[str, Any]) -> bool | None:
    """Tell whether outputs fit the targets of other pairs as well as their own.

    Returns:
        None if it was not measured, or if there are too few different targets to tell.
    """
    others = metrics.get("others")
    z, possible = _number(others, "z"), _number(others, "z_possible")
    if z is None or possible is None or possible < JUDGED_FROM:
        return None
    return z < UNRELATED


def _doubts(metrics: Mapping[str, Any]) -> Iterator[str]:
    if not metrics.get("held_out") or "others" not in metrics:  # or it is of an older pixd
        return
    if is_unrelated(metrics):
        others = metrics["others"]
        yield (
            f"its outputs fit the targets of other pairs as well as their own (L1 {others['l1']:.1f}"
            f" and {others['own_l1']:.1f} of 255)"
        )
    mine, mean = _number(metrics, "l1"), baseline_l1(metrics, "mean_target")
    if mine is not None and mean is not None and mine > max(FAR * mean, VISIBLE):
        yield (
            f"its outputs are much farther from their targets (L1 {mine:.1f} of 255) than the mean"
            f" of all targets, which learned nothing ({mean:.1f})"
        )


def _number(scores: object, name: str) -> float | None:
    value = scores.get(name) if isinstance(scores, dict) else None
    return float(value) if isinstance(value, int | float) else None
