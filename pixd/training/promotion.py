"""Whether a newly trained model may replace the live one, and the reason in numbers.

Pure: metrics in, decision out.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.queries import lineage, trainings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.connection import Reader

L1_TOLERANCE = 1.05
"""A candidate may be this much worse on held-out L1 before it is refused: two seeds of the
same training on real facades differ by 2.7 %, so a smaller difference says nothing."""
SSIM_TOLERANCE = 0.05
"""And this much lower in held-out SSIM: two seeds differ by 0.02. L1 alone forgives a network that
paints every picture alike, which is what wrong pairs teach."""
MIN_COMMON = 4
"""So many pairs that neither model was trained on are enough to compare the two on them alone."""


class Decision(NamedTuple):
    """Whether to promote, and why."""

    promote: bool
    why: str


def decide(mode: str, metrics: Mapping[str, Any], *, has_live: bool) -> Decision:
    """Decide about a candidate.

    Args:
        mode: `train.promote` of the config: "if-better", "always" or "manual".
        metrics: the candidate's, with "live" holding the live model's on the same pairs.
        has_live: whether a model is live now.
    """
    if mode == "manual":
        return Decision(promote=False, why="promote is set to manual: `pixd promote` makes it live")
    broken = _what_is_broken(metrics)
    if broken:
        return Decision(promote=False, why=broken)
    if mode == "always":
        return Decision(promote=True, why="promote is set to always")
    if not has_live:
        return Decision(promote=True, why="the first model" + _score(metrics))
    return _compare(metrics)


def decide_again(mode: str, metrics: str, verdict: str) -> Decision:
    """Decide about a model that was trained before and is wanted again.

    What was decided then holds, but for `always`: that may have been set since.

    Args:
        mode: `train.promote` of the config.
        metrics: JSON, as they were measured then.
        verdict: JSON of what was decided then.
    """
    if mode == "always" and not _what_is_broken(json.loads(metrics)):
        return Decision(promote=True, why="promote is set to always")
    before = json.loads(verdict)
    return Decision(promote=bool(before["promote"]), why=str(before["why"]))


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
    mine, others, which = metrics, live, f"the same {metrics['held_out']} pairs"
    common = metrics.get("common") or {"n": 0}
    if MIN_COMMON <= common["n"] < metrics["held_out"]:
        # The new pairs may be wrong: a model that learned from them is not judged by them.
        mine, others = common, common["live"]
        which = f"the {common['n']} of {metrics['held_out']} pairs that it held out too"
    words = f"held-out L1 {mine['l1']:.2f} against {others['l1']:.2f} of the live model on {which}"
    if mine["l1"] > others["l1"] * L1_TOLERANCE:
        return Decision(promote=False, why=f"worse: {words}")
    ssim, live_ssim = mine.get("ssim"), others.get("ssim")
    if ssim is not None and live_ssim is not None and ssim < live_ssim - SSIM_TOLERANCE:
        told = f"worse: {words}, SSIM {ssim:.3f} against {live_ssim:.3f}"
        return Decision(promote=False, why=told)
    return Decision(promote=True, why=words)


def _score(metrics: Mapping[str, Any]) -> str:
    if metrics.get("l1") is None or not metrics.get("held_out"):
        return ""
    return f", held-out L1 {metrics['l1']:.2f} on {metrics['held_out']} pairs"


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
