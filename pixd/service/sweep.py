"""`pixd try`: other settings are trained beside the live model, and none goes live by itself.

Here a person asks or stops it. The wish is recorded; the service's next steps train
(`pixd.training.variants`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pixd.config import variants
from pixd.store.queries import lineage
from pixd.system import roles
from pixd.system.errors import PixdError
from pixd.training import wanted
from pixd.training.dataset import sides
from pixd.training.recipe import train_recipe
from pixd.training.snapshot import listing_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.config import PipelineSettings, Settings
    from pixd.store.queries.sweeps import Sweep, Variant
    from pixd.store.store import Store
    from pixd.training.dataset.split import Split


def ask(
    store: Store, settings: Settings, pipeline: PipelineSettings, texts: Sequence[str], who: str
) -> dict[str, Any]:
    """Record that variants are to be trained.

    If the same was asked for before, of the same pairs, that is taken up again: nothing is trained
    twice.

    Args:
        store: the open store.
        settings: the configuration.
        pipeline: whose settings are varied.
        texts: as `pixd.config.variants.read` takes them.
        who: the user that asks.

    Returns:
        sweep, variants, change, and whether it is_new.

    Raises:
        UsageError: the texts make no variants.
        PixdError: there is nothing to train on, or another sweep is under way.
    """
    name = pipeline.name
    asked = variants.read(pipeline, texts)
    recipes = [train_recipe(one.pipeline, settings.precision) for one in asked]
    job = wanted.job_of(store.db.conn, pipeline, settings.precision)
    if job is None:
        raise PixdError(
            f"the training folder of {name} has no pairs to try settings on",
            advice=f"put pairs into {pipeline.training}, then `pixd wait`",
        )
    before = store.sweeps.newest(name)
    is_same = before is not None and [one.recipe for one in before.variants] == recipes
    if before and before.ended_at is None and not is_same:
        raise PixdError(
            f"other settings are being tried: {progress(before)}",
            advice="`pixd try` waits for them, `pixd try --stop` ends them",
        )
    is_under_way = before is not None and before.ended_at is None
    if before and is_same and (is_under_way or _has_pairs(store, before, job.split)):
        lacking = [one.number for one in before.variants if _lacks_model(store, name, one)]
        with store.transaction():
            store.runs.forgive(name)
            if lacking and not is_under_way:
                store.sweeps.go_on(before.id, lacking)
        return _told(before, is_new=False)
    change_id = secrets.token_hex(5)
    with store.transaction():
        store.runs.forgive(name)
        rows = [
            (one.settings, store.runs.add_recipe("train", recipe))
            for one, recipe in zip(asked, recipes, strict=True)
        ]
        store.sweeps.add(name, rows, who=who, change_id=change_id)
        count = f"{len(rows)} variant{'s' * (len(rows) != 1)}"
        told = f"other settings are tried ({count}), asked for by {who}: {' '.join(texts)}"
        store.note(name, "info", "try", told, change_id)
    added = store.sweeps.newest(name)
    assert added is not None  # it was just written
    return _told(added, is_new=True)


def stop(store: Store, pipeline: PipelineSettings, who: str) -> dict[str, Any]:
    """End what is being tried. What was trained stays, and asking again goes on.

    Raises:
        PixdError: nothing is being tried.
    """
    sweep = store.sweeps.under_way(pipeline.name)
    if sweep is None:
        raise PixdError(
            f"no settings of {pipeline.name} are being tried", advice="pixd try --set KEY=V1,V2"
        )
    with store.transaction():
        for variant in sweep.left:
            store.sweeps.give_up(sweep.id, variant.number, f"stopped by {who}")
        store.sweeps.end(sweep.id)
        told = f"no more settings are tried, said {who}: {progress(sweep)}"
        store.note(pipeline.name, "info", "try", told, sweep.change_id)
    return {"sweep": sweep.id, "pipeline": pipeline.name, "left": len(sweep.left)}


def progress(sweep: Sweep) -> str:
    """Say how many of the variants are trained."""
    made = sum(one.model is not None for one in sweep.variants)
    return f"{made} of {len(sweep.variants)} variants are trained"


def _lacks_model(store: Store, pipeline: str, variant: Variant) -> bool:
    """Tell whether a variant has no model, or one whose weights were removed."""
    if variant.model is None:
        return True
    model = store.models.numbered(pipeline, variant.model)
    return model is None or store.runs.output_digest(model.export_run, roles.GENERATOR) is None


def _has_pairs(store: Store, sweep: Sweep, split: Split) -> bool:
    """Tell whether a sweep is of these pairs, all of which are still kept; or has not begun."""
    if sweep.pairs is None:
        return True
    try:
        listed = sides.split_of_listing(store.folder, sweep.pairs)
    except OSError:
        return False
    if listing_of(*listed[:2]) != listing_of(split.train, split.held_out):
        return False
    contents = (digest for pair in listed.used for _, digest in pair.files)
    return all(lineage.object_path(store.folder, digest).exists() for digest in contents)


def _told(sweep: Sweep, *, is_new: bool) -> dict[str, Any]:
    return {
        "sweep": sweep.id,
        "pipeline": sweep.pipeline,
        "change": sweep.change_id,
        "is_new": is_new,
        "variants": [_variant(one.settings) for one in sweep.variants],
    }


def _variant(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {f"train.{name}": value for name, value in settings.items()}
