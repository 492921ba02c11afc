"""What a plan says, in words: for `pixd plan`, and before a person makes a model live on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.system.wording import counted, duration, size
from pixd.translation import refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Line(NamedTuple):
    """What is done, in a word ("" where it goes on from the line before), and the rest."""

    word: str
    told: str


def lines(made: Mapping[str, Any], live: str = "the live model") -> Iterator[Line]:
    """Yield what is due.

    Args:
        made: as `pixd.answers.plan.of_pipeline` returns it.
        live: what the live model is called.
    """
    for kind, counts in made["changes"].items():
        signs = {"added": "+", "changed": "~", "removed": "-"}
        parts = [f"{signs[what]}{count}" for what, count in counts.items() if count]
        if parts:
            files = "file" if sum(counts.values()) == 1 else "files"
            yield Line("record", f"{', '.join(parts)} {files} in {kind}, not read yet")
    train = made["train"]
    if train["action"] == "run":
        about = _about(train["seconds"], train["bytes"])
        most = "at most " if train["may_stop_before"] else ""
        yield Line("train", f"{most}{train['steps']} steps on {train['pairs']} pairs{about}")
        yield Line("", f"because {train['why']}")
    elif train["action"] == "reuse":
        yield Line("promote", f"{train['model']}: {train['why']}")
    else:
        yield Line("train", f"nothing: {train['why']}")
    yield from _beside(made)
    yield from _translations(made, live)


def before_promotion(made: Mapping[str, Any], model: str) -> Iterator[Line]:
    """Yield what follows if a person makes a model live; `made` is planned as if it were."""
    told = f"{model} becomes live and is pinned: newer ones take its place after `pixd unpin`"
    yield Line("", told)
    yield from lines(made, model)


def before_unpinning(made: Mapping[str, Any], model: str) -> Iterator[Line]:
    """Yield what follows if a person unpins the live model; `made` is planned as if they had."""
    yield Line("", f"{model} is no longer pinned: newer ones may take its place")
    yield from lines(made, model)


def _translations(made: Mapping[str, Any], live: str) -> Iterator[Line]:
    train, translate = made["train"], made["translate"]
    due, after = translate["due"], translate["due_after_training"]
    about = _about(translate["seconds"], translate["bytes"])
    if train["action"] == "reuse":
        live = translate["model"]
    if due:
        yield Line("translate", f"{due} of {counted(translate['inputs'], 'input')} by {live}")
        if translate["early"]:
            yield Line("", f"which is an early one: {refresh.TOLD}")
        if before := translate["made_before"]:
            yield Line("", f"{before} of them were made before, and are only published again")
    if after:
        instead = ", in place of their outputs" if translate["replaces"] else ""
        yield Line("translate", f"{counted(after, 'input')} by the new model{instead}{about}")
    elif due > translate["made_before"]:
        yield Line("", about.lstrip(", "))
    elif not translate["inputs"]:
        yield Line("translate", "nothing: there are no inputs")
    elif translate["model"] is None:
        yield Line(
            "translate", f"nothing: no model yet for {counted(translate['inputs'], 'input')}"
        )
    elif not due:
        yield Line("translate", f"nothing: every output is of {live} and the present settings")


def _beside(made: Mapping[str, Any]) -> Iterator[Line]:
    """Say what else a person asked for: a pin, and variants."""
    if keep := made["keep"]:
        yield Line("keep", f"{keep['model']}, which is pinned: {'; '.join(keep['apart'])}")
        yield Line("", "after `pixd unpin` a model of config.yaml's settings takes its place")
    if tried := made["try"]:
        about = _about(tried["seconds"], tried["bytes"])
        left = f"{tried['left']} of {tried['variants']} variants"
        yield Line("try", f"{left}, none goes live{about}")


def _about(seconds: float | None, written: float | None) -> str:
    if seconds is None or written is None:
        return " (no estimate: nothing like it was done yet)"
    return f", about {duration(seconds)} and {size(written)}"
