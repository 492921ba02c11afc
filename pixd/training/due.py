"""Whether a training is due, and why. Pure: it gets what the store knows and returns an answer.

The live model should come from the pairs in the folder and the settings in the configuration. The
service and `pixd plan` both use this module, so that a plan says what the service then does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pixd.training import promotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixd.store.queries.trainings import Trained
    from pixd.training.past import Past

MAX_FAILURES = 3
"""After so many failed attempts at one key, only `pixd retry` starts another."""


class Due(NamedTuple):
    """What the service should do.

    Attributes:
        action: "run" (train), "reuse" (make a model live that was trained before) or "none".
        why: for people. With "run" the pairs and settings say it (`pixd.training.snapshot`), and
            this is the reason where they are the same as before.
        model: number of the model to make live, with "reuse".
        has_given_up: whether a training is wanted and has failed too often.
    """

    action: Literal["run", "reuse", "none"]
    why: str = ""
    model: int | None = None
    has_given_up: bool = False


NO_PAIRS: Final = Due("none", "there are no pairs in the training folder")
RETRAIN: Final = "retrain"
"""The value of `train.on_upgrade` under which a model of an earlier revision is made anew unasked."""


def decide(past: Past, promote: str, on_upgrade: str = "keep") -> Due:
    """Decide what is due for a training folder that has pairs.

    Args:
        past: what the store knows of the training that the folder and the configuration ask for.
        promote: `train.promote` of the configuration.
        on_upgrade: `train.on_upgrade` of the configuration.
    """
    made, live = past.made, past.live
    if made and live and live.is_pinned and not live.is_of(made.train_run):
        return Due("none", f"model@{live.number} is pinned")
    is_kept = not past.otherwise or on_upgrade != RETRAIN or bool(live and live.is_pinned)
    if made and is_kept and (found := _of_made(past, made, promote)):
        return found
    if len(past.failures) >= MAX_FAILURES:
        return given_up(past.failures)
    if past.otherwise:
        return Due("run", f"{past.otherwise} (train.on_upgrade: {RETRAIN})")
    return Due(
        "run", f"model@{live.number} is an early one of it" if live and live.is_early else ""
    )


def _of_made(past: Past, made: Trained, promote: str) -> Due | None:
    """Return what is due where a model was made of these pairs and settings; None for a training."""
    live = past.live
    if live and live.is_of(made.train_run):
        # A pin keeps the model, so nothing else is announced.
        return Due("none", kept(made.number, "" if live.is_pinned else past.otherwise))
    if not past.is_usable:
        return None
    decision = promotion.decide_again(promote, made.metrics, made.verdict)
    if not decision.promote:
        return Due("none", refused(made.number, decision))
    why = f"these pairs and settings made model@{made.number} before"
    return Due("reuse", why, model=made.number)


def given_up(failures: Sequence[str]) -> Due:
    """Return what is due after too many failed attempts."""
    why = f"given up after {len(failures)} attempts: {failures[-1]}"
    return Due("none", f"{why}; `pixd retry` tries again", has_given_up=True)


def kept(number: int, otherwise: str) -> str:
    """Say that the live model stays, and what is offered where this pixd makes it otherwise."""
    same = "the live model is of these pairs and settings"
    return f"{same}; {offer(number, otherwise)}" if otherwise else same


def offer(number: int, otherwise: str) -> str:
    """Say how this pixd would make a model otherwise, and how to have it so."""
    return f"{otherwise}; `pixd retrain` makes model@{number} anew"


def refused(number: int, decision: promotion.Decision) -> str:
    """Say that a model was not promoted, and how a person who wants it makes it live."""
    told = f"model@{number} was not promoted: {decision.why}"
    if promotion.is_offered(decision):
        told += f"; `pixd promote model@{number}` makes it live all the same"
    return told
