"""Whether a model may be live, decided from its scores alone, with the reason in numbers.

A model that descends from a recalled image may not (`excluded_in`).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import model_scores
from pixd.store.queries import lineage, trainings
from pixd.store.queries.retraining import WORSE
from pixd.store.queries.sweeps import VARIANT
from pixd.system.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.connection import Reader

L1_TOLERANCE = 1.05
"""A new model is refused if its held-out L1 is worse by more than this factor. Two seeds of the same
training on real facades differ by 2.7 %, so a smaller difference says nothing."""
SSIM_TOLERANCE = 0.05
"""It is also refused if its held-out SSIM is lower by more than this; two seeds differ by 0.02. L1
alone does not notice a network that paints every picture alike, which wrong pairs teach."""
MIN_COMMON = 4
"""With at least so many pairs that neither model was trained on, these alone decide."""


class Decision(NamedTuple):
    """Whether to promote, and why."""

    promote: bool
    why: str


def decide(mode: str, metrics: Mapping[str, Any], *, has_live: bool) -> Decision:
    """Decide whether a new model may be live.

    Args:
        mode: `train.promote` of the config: "if-better", "always" or "manual".
        metrics: of the new model; "live" holds those of the live model on the same pairs.
        has_live: whether a model is live now.
    """
    if mode == "manual":
        return Decision(promote=False, why="promote is set to manual: `pixd promote` makes it live")
    broken = _what_is_broken(metrics)
    if broken:
        return Decision(promote=False, why=broken)
    if mode == "always":
        decision = Decision(promote=True, why="promote is set to always")
    elif not has_live:
        decision = Decision(promote=True, why="the first model" + _score(metrics))
    else:
        decision = _compare(metrics)
    if decision.promote and (doubts := model_scores.doubts(metrics)):
        # A doubtful model is better than none, and may be what a person wants. But it is said.
        return Decision(promote=True, why=f"{decision.why}; doubtful: {doubts}")
    return decision


def decide_early(metrics: Mapping[str, Any], *, has_live: bool) -> Decision:
    """Decide whether an early model may be live, which its training found worth showing.

    Beside a live model it must be better, and not only as good.

    Args:
        metrics: as for `decide`.
        has_live: whether a model is live that is no early one of the same training.
    """
    if not has_live:
        return Decision(promote=True, why="the first pictures" + _score(metrics))
    decision, live = _compare(metrics), metrics.get("live")
    if decision.promote and live and _distance(metrics) >= _distance(live):
        return Decision(promote=False, why=f"no better than the live model: {decision.why}")
    return decision


def _distance(scores: Mapping[str, Any]) -> float:
    return model_scores.distance(scores["l1"], scores["ssim"])


def decide_again(mode: str, metrics: str, verdict: str) -> Decision:
    """Decide whether a model that was trained before may be live now.

    The old decision holds, except if `train.promote` has become `always` since then. None was made
    of a variant: if the configuration now asks for its settings, its scores decide.

    Args:
        mode: `train.promote` of the config.
        metrics: JSON, as they were measured then.
        verdict: JSON of the old decision.
    """
    if mode == "always" and not _what_is_broken(json.loads(metrics)):
        return Decision(promote=True, why="promote is set to always")
    before = json.loads(verdict)
    if str(before["why"]).startswith(VARIANT):
        scores = json.loads(metrics)
        return decide(mode, scores, has_live=bool(scores.get("live")))
    return Decision(promote=bool(before["promote"]), why=str(before["why"]))


def is_offered(decision: Decision) -> bool:
    """Tell whether a refused model may be what a person wants: it works, and scores worse.

    Its settings may have been changed by intent, so that it is better by another measure.
    """
    return not decision.promote and decision.why.startswith(WORSE)


def _what_is_broken(metrics: Mapping[str, Any]) -> str:
    l1 = metrics.get("l1")
    if isinstance(l1, int | float) and not math.isfinite(l1):
        return "its held-out L1 is not a number"
    if metrics.get("collapsed"):
        return "it collapsed: its outputs are nearly the same everywhere"
    if metrics.get("identity_like"):
        return "it gives back its input nearly as it is"
    return ""


def _compare(metrics: Mapping[str, Any]) -> Decision:
    l1, live = metrics.get("l1"), metrics.get("live")
    if not metrics.get("held_out") or l1 is None or not live or live.get("l1") is None:
        return Decision(promote=True, why="too few pairs to hold any out, so it was not compared")
    if model_scores.is_unrelated(metrics) and model_scores.is_unrelated(live) is False:
        told = "its outputs fit the targets of other pairs as well as their own; those of the live"
        return Decision(promote=False, why=f"worse: {told} model fit their own")
    mine, others, which = metrics, live, f"the same {metrics['held_out']} pairs"
    common = metrics.get("common") or {"n": 0}
    if MIN_COMMON <= common["n"] < metrics["held_out"]:
        # The new pairs may be wrong. The new model learned from such pairs, so they cannot judge it.
        mine, others = common, common["live"]
        which = f"the {common['n']} of {metrics['held_out']} pairs that it held out too"
    words = f"held-out L1 {mine['l1']:.2f} against {others['l1']:.2f} of the live model on {which}"
    if mine["l1"] > others["l1"] * L1_TOLERANCE:
        return Decision(promote=False, why=f"{WORSE}{words}")
    ssim, live_ssim = mine.get("ssim"), others.get("ssim")
    if ssim is not None and live_ssim is not None and ssim < live_ssim - SSIM_TOLERANCE:
        told = f"{WORSE}{words}, SSIM {ssim:.3f} against {live_ssim:.3f}"
        return Decision(promote=False, why=told)
    return Decision(promote=True, why=words)


def _score(metrics: Mapping[str, Any]) -> str:
    if metrics.get("l1") is None or not metrics.get("held_out"):
        return ""
    return f", held-out L1 {metrics['l1']:.2f} on {counted(metrics['held_out'], 'pair')}"


# -- a model of recalled images -----------------------------------------------------------------------


def excluded_in(reader: Reader, store: Path, pipeline: str, digest: str) -> str:
    """Return the name of a recalled image that a model descends from, or "".

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        digest: of the model.

    Raises:
        OSError: the listing of a training cannot be read.
    """
    excluded = trainings.excluded(reader, pipeline)
    if not excluded:
        return ""
    for _, train_run, _ in lineage.lineage_of_model(reader, pipeline, digest):
        if found := lineage.is_trained_on(reader, store, train_run, excluded):
            return excluded[found]
    return ""
