"""What the service would do now: the work that is due, with estimates from recorded runs.

Read-only, and without looking into files: a file that changed since it was recorded is counted
and not read, because what it means shows only when it is recorded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pixd.folders import scan
from pixd.store import recipes as store_recipes
from pixd.store import training_set
from pixd.store.queries import files as places
from pixd.store.queries import history
from pixd.store.runs import run_key
from pixd.training import recipe as recipes
from pixd.training import snapshot, warm_start
from pixd.training.dataset import pairs
from pixd.training.dataset import split as kinship
from pixd.training.warm_start import WarmStart
from pixd.translation import recipe as translation_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader


def of_pipeline(reader: Reader, settings: Settings, pipeline: PipelineSettings) -> dict[str, Any]:
    """Return what is due in one pipeline.

    Returns:
        changes: files that were added, changed or removed since they were recorded, by folder.
        train: what training is due ("run", "reuse" or "none"), why, steps, and estimates.
        translate: how many inputs are due now and why, how many after the training, estimates.
    """
    train = _train(reader, settings, pipeline)
    return {
        "changes": {kind: _changes(reader, pipeline, kind) for kind in ("training", "input")},
        "train": train,
        "translate": _translate(reader, settings, pipeline, train),
    }


def _changes(reader: Reader, pipeline: PipelineSettings, kind: str) -> dict[str, int]:
    folder = getattr(pipeline, kind)
    there = scan.scan(folder).files if folder.is_dir() else {}
    repo = places.repo_id(reader, pipeline.name, kind)
    known = places.stamps(reader, repo) if repo is not None else {}
    return {
        "added": sum(name not in known for name in there),
        "changed": sum(
            name in known
            and known[name] != (stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode)
            for name, stamp in there.items()
        ),
        "removed": sum(name not in there for name in known),
    }


def _train(reader: Reader, settings: Settings, pipeline: PipelineSettings) -> dict[str, Any]:
    repo = places.repo_id(reader, pipeline.name, "training")
    files = places.recorded(reader, repo) if repo is not None else []
    plan = pairs.pair_up(pipeline.pairs, files)
    if not plan.pairs:
        return {"action": "none", "why": "there are no pairs in the training folder"}
    recipe = recipes.train_recipe(pipeline, settings.precision)
    digest = store_recipes.recipe_digest("train", recipe)
    split = kinship.split(plan.pairs, pipeline.train.validation, _kin(reader, pipeline))
    inputs = split.key_inputs(pipeline.train.validation)
    key = run_key("train", recipes.TRAIN_REVISION, digest, inputs)
    live = history.model(reader, pipeline.name, None)
    for run_id in history.runs_of_key(reader, key):
        model = history.model_of_train_run(reader, run_id)
        if model is None or model["pipeline"] != pipeline.name:
            continue
        if live and live["number"] == model["number"]:
            return {
                "action": "none",
                "why": f"the live {model['name']} is of these pairs and settings",
            }
        if live and live["is_pinned"]:
            return {"action": "none", "why": f"{live['name']} is pinned"}
        if not model["verdict"]["promote"]:
            return {"action": "none", "why": f"{model['name']} was not promoted"}
        return {
            "action": "reuse",
            "model": model["name"],
            "why": f"these pairs and settings made {model['name']} before: no training",
        }
    begin = warm_start.choose(reader, settings.store, pipeline, recipe, split)
    changes = snapshot.changes_since_last(
        reader,
        settings.store,
        pipeline.name,
        recipe,
        snapshot.listing_of(split.train, split.held_out),
    )
    return {
        "action": "run",
        "pairs": len(split.used),
        **_estimate_training(
            reader,
            pipeline,
            len(split.used),
            begin.steps if isinstance(begin, WarmStart) else 1.0,
        ),
        "why": "no training has succeeded yet"
        if changes is None
        else snapshot.reason_of(changes, begin),
    }


def _kin(reader: Reader, pipeline: PipelineSettings) -> dict[str, kinship.Kin]:
    """Return what the service has decided; a pair that it has not met counts for itself."""
    rows = training_set.kin_of(reader, pipeline.name, pairs.layout_of(pipeline.pairs))
    return {row.pair: kinship.Kin(row.anchor, row.touches, row.since) for row in rows}


def _estimate_training(
    reader: Reader, pipeline: PipelineSettings, count: int, share: float
) -> dict[str, Any]:
    """Estimate from the last training of the same network, if there was one."""
    train = pipeline.train
    held_out = round(count * train.validation) if count >= pairs.MIN_HELD_OUT_FROM else 0
    steps = train.steps or math.ceil((train.epochs or 0) * (count - held_out) / train.batch_size)
    steps = math.ceil(steps * share)
    past = history.training_rates(reader, pipeline.name)
    names = ("image_size", "ngf", "batch_size", "replicas")
    recipe = recipes.train_recipe(pipeline, "")
    for rate in past:
        if all(rate["recipe"].get(name) == recipe.get(name) for name in names):
            return {
                "steps": steps,
                "seconds": round(rate["seconds_per_step"] * steps, 1),
                "bytes": rate["bytes"],
            }
    return {"steps": steps, "seconds": None, "bytes": None}


def _translate(
    reader: Reader, settings: Settings, pipeline: PipelineSettings, train: Mapping[str, Any]
) -> dict[str, Any]:
    repo = places.repo_id(reader, pipeline.name, "input")
    live = history.model(reader, pipeline.name, None)
    total = places.translatable(reader, repo) if repo is not None else 0
    due = total
    if live and repo is not None:
        trained = live["training"]["recipe"]
        recipe = translation_recipe.translate_recipe(
            pipeline, settings.precision, int(trained["image_size"]), trained["pairs"]
        )
        digest = store_recipes.recipe_digest("translate", recipe)
        due = places.stale_inputs(reader, pipeline.name, repo, live["digest"], digest)
    changes_model = train["action"] in {"run", "reuse"}
    after = total if changes_model else 0
    seconds, size = history.translation_rate(reader, pipeline.name)
    work = (due if live else 0) + after
    return {
        "inputs": total,
        "due": due if live else 0,
        "due_after_training": after,
        "seconds": round(seconds * work, 1) if seconds is not None else None,
        "bytes": round(size * work) if size is not None else None,
    }
