"""What came of the variants that `pixd try` had trained, side by side.

All were scored on the same held-out pairs. The live model's scores on these stand beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.config import variants
from pixd.store import model_scores
from pixd.store.queries import history, lineage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pixd.store.connection import Reader
    from pixd.store.queries.sweeps import Sweep

SHOWN_SCORES = ("l1", "psnr", "ssim", "sharpness")


class Tried(NamedTuple):
    """One variant and what came of it.

    Attributes:
        number: its place in the sweep, from 1.
        settings: the chosen values by key of `train`.
        model: as `pixd.store.queries.history.model` returns it; None while there is none.
        trouble: why there is none, or "".
    """

    number: int
    settings: Mapping[str, Any]
    model: Mapping[str, Any] | None
    trouble: str

    @property
    def told(self) -> str:
        """Its settings, for people."""
        return variants.told(self.settings)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Its scores; nothing while it has none."""
        return self.model["metrics"] if self.model else {}

    @property
    def rank(self) -> tuple[float, int]:
        """By what variants are sorted: the distance to the targets, then the number."""
        l1, ssim = self.metrics.get("l1"), self.metrics.get("ssim")
        if l1 is None or ssim is None or not self.metrics.get("held_out"):
            return float("inf"), self.number
        return model_scores.distance(l1, ssim), self.number


class Outcome(NamedTuple):
    """A sweep with what came of it.

    Attributes:
        sweep: what was asked for.
        tried: the variants, best first.
        live: name and scores of the live model on the same pairs; None where there are none.
        pairs: the pairs of all variants, as `lineage.dataset_of` gives them; none before a start.
    """

    sweep: Sweep
    tried: list[Tried]
    live: tuple[str, Mapping[str, Any]] | None
    pairs: Mapping[str, Any]

    @property
    def best(self) -> Tried | None:
        """The variant with the best scores; None where none has any."""
        first = self.tried[0]
        return first if first.rank[0] != float("inf") else None

    @property
    def is_live_better(self) -> bool:
        """Whether the live model, which is none of them, is nearer to the targets than the best."""
        if self.best is None or self.live is None:
            return False
        l1, ssim = self.live[1].get("l1"), self.live[1].get("ssim")
        if l1 is None or ssim is None:
            return False
        return model_scores.distance(l1, ssim) < self.best.rank[0]

    @property
    def made(self) -> int:
        """How many variants are trained."""
        return sum(one.model is not None for one in self.tried)

    @property
    def failed(self) -> list[Tried]:
        """The variants of which no model comes."""
        return [one for one in self.tried if one.trouble]

    def as_json(self) -> dict[str, Any]:
        """Return it as `pixd try --json` has it."""
        sweep, best = self.sweep, self.best
        return {
            "sweep": sweep.id,
            "pipeline": sweep.pipeline,
            "asked_at": sweep.asked_at,
            "who": sweep.who,
            "dataset": f"training@{sweep.commit_seq}" if sweep.commit_seq else None,
            "held_out": len(self.pairs["held_out"]),
            "ended": sweep.ended_at is not None,
            "best": best.model["name"] if best and best.model else None,
            "live": {"name": self.live[0], **_scores(self.live[1])} if self.live else None,
            "variants": [
                {
                    "number": one.number,
                    "settings": {f"train.{k}": v for k, v in one.settings.items()},
                    "model": one.model["name"] if one.model else None,
                    "is_live": bool(one.model and one.model["is_live"]),
                    "metrics": _scores(one.metrics) if one.model else None,
                    "doubts": model_scores.doubts(one.metrics) if one.model else "",
                    "trouble": one.trouble,
                }
                for one in self.tried
            ],
        }


def outcome_of(reader: Reader, store: Path, sweep: Sweep) -> Outcome:
    """Return what came of a sweep.

    Raises:
        OSError: the listing of its pairs cannot be read.
    """
    models = {
        one.number: history.model(reader, sweep.pipeline, one.model)
        for one in sweep.variants
        if one.model is not None
    }
    tried = [
        Tried(one.number, one.settings, models.get(one.number), one.trouble)
        for one in sweep.variants
    ]
    tried.sort(key=lambda one: one.rank)
    pairs: Mapping[str, Any] = {"train": [], "held_out": []}
    if sweep.pairs:
        pairs = lineage.dataset_of_listing(store, sweep.pairs)
    return Outcome(sweep, tried, _live(reader, sweep, tried), pairs)


def table(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of the table, best first."""
    sweep, pairs = outcome.sweep, outcome.pairs
    held_out = len(pairs["held_out"])
    words = f"{held_out} held-out pair{'s' * (held_out != 1)}"
    on = f", on {words} of training@{sweep.commit_seq}" if sweep.pairs else ""
    yield f"{sweep.pipeline}: {outcome.made} of {len(outcome.tried)} variants are trained{on}"
    width = max(
        len("settings"), len("the live model then"), *(len(one.told) for one in outcome.tried)
    )
    yield f"{'settings':<{width}}  {'model':<9}{'L1':>7}{'SSIM':>7}{'sharp':>7}{'PSNR':>7}  state"
    rows = [(one.told, *_row(one, outcome)) for one in outcome.tried]
    if outcome.live:
        rows.append((outcome.live[0], "", outcome.live[1], "for comparison"))
    for told, name, metrics, state in rows:
        scores = "".join(
            _number(metrics.get(score), digits)
            for score, digits in (("l1", 1), ("ssim", 3), ("sharpness", 2), ("psnr", 1))
        )
        yield f"{told:<{width}}  {name:<9}{scores}  {state}".rstrip()


def _row(one: Tried, outcome: Outcome) -> tuple[str, Mapping[str, Any], str]:
    if one.model is None:
        waits = "waits" if outcome.sweep.ended_at is None else "not trained"
        return "-", {}, one.trouble or waits
    words = ["best"] if one is outcome.best and outcome.made > 1 else []
    if one.model["is_live"]:
        words.append("LIVE, pinned" if one.model["is_pinned"] else "LIVE")
    if doubts := model_scores.doubts(one.metrics):
        words.append(f"doubtful: {doubts}")
    return one.model["name"], one.metrics, "; ".join(words)


def _live(reader: Reader, sweep: Sweep, tried: list[Tried]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the live model beside the variants, unless it is one of them.

    If it was trained on the same pairs, its own scores count. Else they are those that the newest
    variant was compared with.
    """
    live = history.model(reader, sweep.pipeline, None)
    names = {one.model["name"] for one in tried if one.model}
    if live and live["name"] in names:
        return None
    if live and lineage.listing_digest(reader, live["train_run"]) == sweep.pairs:
        return f"{live['name']}, live", live["metrics"]
    newest = max((one.model for one in tried if one.model), key=lambda m: m["number"], default=None)
    scores = newest["metrics"].get("live") if newest else None
    return ("the live model then", scores) if scores else None


def _scores(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: metrics.get(name) for name in SHOWN_SCORES}


def _number(value: float | None, digits: int) -> str:
    return f"{value:>7.{digits}f}" if value is not None else f"{'-':>7}"
