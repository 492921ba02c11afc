"""What the service would do now: the work that is due, with estimates from recorded runs.

It only reads. Files that the service has not read yet count as well (`pixd.answers.unread`), so
that what it says before a start is what the start does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pixd.answers import unread
from pixd.store.queries import files, history, training_set
from pixd.training import due, snapshot, warm_start
from pixd.training.dataset import pairs
from pixd.training.dataset.split import Kin, split
from pixd.training.past import past_of
from pixd.training.recipe import train_key, train_recipe
from pixd.training.warm_start import WarmStart
from pixd.translation.due import stale_under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixd.answers.unread import Unread
    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader


def of_pipeline(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Return what is due in one pipeline.

    Args:
        reader: the store's database.
        settings: the configuration.
        pipeline: the pipeline.
        progress: is told how many training files are read, of how many.

    Returns:
        changes: files that were added, changed or removed since they were recorded, by folder.
        train: what training is due ("run", "reuse" or "none"), why, steps, and estimates.
        translate: how many inputs are due now and why, how many after the training, estimates.
    """
    found = {
        kind: unread.look(reader, settings.store, pipeline, kind) for kind in ("training", "input")
    }
    recorded = unread.contents(reader, pipeline, found["training"], progress)
    train = _train(reader, settings, pipeline, recorded)
    return {
        "changes": {kind: _counts(one) for kind, one in found.items()},
        "train": train,
        "translate": _translate(reader, settings, pipeline, train, found["input"]),
    }


def _counts(found: Unread) -> dict[str, int]:
    names = {"added": found.added, "changed": found.changed, "removed": found.removed}
    return {what: len(of) for what, of in names.items()}


def _train(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    recorded: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    found = pairs.pair_up(pipeline.pairs, recorded).pairs
    if not found:
        return {"action": due.NO_PAIRS.action, "why": due.NO_PAIRS.why}
    recipe = train_recipe(pipeline, settings.precision)
    sides = split(found, pipeline.train.validation, _kin(reader, pipeline))
    key = train_key(recipe, sides.key_inputs(pipeline.train.validation))
    past = past_of(reader, settings.store, pipeline.name, key)
    wanted = due.decide(past, pipeline.train.promote)
    match wanted.action:
        case "none":
            return {"action": "none", "why": wanted.why}
        case "reuse":
            return {"action": "reuse", "model": f"model@{wanted.model}", "why": wanted.why}
    begin = warm_start.choose(reader, settings.store, pipeline, recipe, sides)
    share = begin.steps if isinstance(begin, WarmStart) else 1.0
    return {
        "action": "run",
        "pairs": len(sides.used),
        **_estimate_training(reader, pipeline, len(sides.used), share),
        "why": snapshot.reason(reader, settings.store, pipeline.name, recipe, sides, begin),
    }


def _kin(reader: Reader, pipeline: PipelineSettings) -> dict[str, Kin]:
    """Return what the service decided about near-duplicates; nothing for a pair it has not seen."""
    rows = training_set.kin_of(reader, pipeline.name, pairs.layout_of(pipeline.pairs))
    return {row.pair: Kin(row.anchor, row.touches, row.since) for row in rows}


def _estimate_training(
    reader: Reader, pipeline: PipelineSettings, count: int, share: float
) -> dict[str, Any]:
    """Estimate from the last training of a network of the same size, if there was one."""
    train = pipeline.train
    held_out = round(count * train.validation) if count >= pairs.MIN_HELD_OUT_FROM else 0
    steps = train.steps or math.ceil((train.epochs or 0) * (count - held_out) / train.batch_size)
    steps = math.ceil(steps * share)
    past = history.training_rates(reader, pipeline.name)
    names = ("image_size", "ngf", "batch_size", "replicas")
    recipe = train_recipe(pipeline, "")
    for rate in past:
        if all(rate.recipe.get(name) == recipe.get(name) for name in names):
            return {
                "steps": steps,
                "seconds": round(rate.seconds_per_step * steps, 1),
                "bytes": rate.bytes,
            }
    return {"steps": steps, "seconds": None, "bytes": None}


def _translate(
    reader: Reader,
    settings: Settings,
    pipeline: PipelineSettings,
    train: Mapping[str, Any],
    found: Unread,
) -> dict[str, Any]:
    repo = files.repo_id(reader, pipeline.name, "input")
    live = history.model(reader, pipeline.name, None)
    total = files.translatable(reader, repo) if repo is not None else 0
    stale = stale_under(reader, pipeline, settings.precision, live) if live else 0
    total += len(found.added) - len(found.removed)
    fresh = len(found.added) + len(found.changed)
    stale = min(total, stale + fresh) if live else 0
    changes_model = train["action"] in {"run", "reuse"}
    after = total if changes_model else 0
    seconds, size = history.translation_rate(reader, pipeline.name)
    work = stale + after
    return {
        "inputs": total,
        "due": stale,
        "due_after_training": after,
        "seconds": round(seconds * work, 1) if seconds is not None else None,
        "bytes": round(size * work) if size is not None else None,
    }
