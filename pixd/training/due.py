"""Whether a training is due, and why. Pure: it gets what the store knows and returns an answer.

The live model should come from the pairs in the folder and the settings in the configuration. The
service and `pixd plan` both use this module, so that a plan says what the service then does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pixd.training import promotion

if TYPE_CHECKING:
    from pixd.training.past import Past

MAX_FAILURES = 3
"""After so many failed attempts at one key, only `pixd retry` starts another."""


class Due(NamedTuple):
    """What the service should do.

    Attributes:
        action: "run" (train), "reuse" (make a model live that was trained before) or "none".
        why: for people; "" with "run", whose reason needs the pairs (`pixd.training.snapshot`).
        model: number of the model to make live, with "reuse".
        has_given_up: whether a training is wanted and has failed too often.
    """

    action: Literal["run", "reuse", "none"]
    why: str = ""
    model: int | None = None
    has_given_up: bool = False


NO_PAIRS: Final = Due("none", "there are no pairs in the training folder")


def decide(past: Past, promote: str) -> Due:
    """Decide what is due for a training folder that has pairs.

    Args:
        past: what the store knows of the training that the folder and the configuration ask for.
        promote: `train.promote` of the configuration.
    """
    live, made = past.live, past.made
    if made and live and live.train_run == made.train_run:
        return Due("none", "the live model is of these pairs and settings")
    if made and live and live.is_pinned:
        return Due("none", f"model@{live.number} is pinned")
    if made and past.is_usable:
        decision = promotion.decide_again(promote, made.metrics, made.verdict)
        if not decision.promote:
            return Due("none", f"model@{made.number} was not promoted: {decision.why}")
        why = f"these pairs and settings made model@{made.number} before"
        return Due("reuse", why, model=made.number)
    if len(past.failures) >= MAX_FAILURES:
        why = f"given up after {len(past.failures)} attempts: {past.failures[-1]}"
        return Due("none", f"{why}; `pixd retry` tries again", has_given_up=True)
    return Due("run")
