"""Which variant `pixd try` trains next: other settings, on pairs that are named once for all of them.

A variant is a training like any other, with a key, a run and a model. It differs in three things:
a person asked for it, it begins from scratch, and its model never goes live by itself. What the
folder and the configuration ask for goes first (`pixd.training.stage`).
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from pixd.config import variants
from pixd.store.queries import trainings
from pixd.store.recipes import recipe_body, recipe_difference
from pixd.system.digests import canonical_json
from pixd.training import promotion
from pixd.training.dataset import sides
from pixd.training.due import MAX_FAILURES, given_up
from pixd.training.past import failures_of
from pixd.training.recipe import train_keys
from pixd.training.run import Trying
from pixd.training.snapshot import Job, Next, listing_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pixd.store.commits import Commit
    from pixd.store.queries.sweeps import Sweep, Variant
    from pixd.store.queries.trainings import Trained
    from pixd.store.revisions import Key
    from pixd.store.store import Store
    from pixd.training.dataset.split import Split
    from pixd.training.run import TrainingRun


def next_of(
    store: Store,
    pipeline: str,
    wanted: Job | None,
    commit: Commit | None,
    under_way: Collection[str] = (),
) -> Next | None:
    """Return the variant that is trained next, or None where nothing is left.

    What needs no training is recorded on the way: variants that were trained before, and those that
    cannot be. After the last one the sweep is ended.

    Args:
        store: the open store.
        pipeline: its name.
        wanted: the training that the folder and the configuration ask for.
        commit: what the folder holds, which the first call names the pairs by.
        under_way: keys of variants that are being trained. Where the engine trains more at once, it
            is asked again, with these.

    Raises:
        OSError: the store cannot be read or written.
    """
    sweep = store.sweeps.under_way(pipeline)
    if sweep is None:
        return None
    if not sweep.commit_seq:
        if wanted is None or commit is None:
            return None
        sweep = _begin(store, sweep, wanted, commit)
    assert sweep.pairs is not None  # it has begun
    split = _split(store.folder, sweep.pairs)
    trouble_of_all = _recalled(store, pipeline, split)
    is_under_way = False
    for variant in sweep.left:
        keys = _keys(store.folder, sweep.pairs, canonical_json(variant.recipe))
        if keys[0].key in under_way:
            is_under_way = True
            continue
        failures = failures_of(store.db.conn, pipeline, keys[0].key)
        if not trouble_of_all and (made := trained_before(store, pipeline, keys)):
            with store.transaction():
                store.sweeps.made(sweep.id, variant.number, made.number)
                said = f"{_which(sweep, variant)}: it was trained before, as model@{made.number}"
                store.note(pipeline, "info", "try", said, sweep.change_id)
        elif trouble_of_all or len(failures) >= MAX_FAILURES:
            trouble = trouble_of_all or given_up(failures).why
            store.sweeps.give_up(sweep.id, variant.number, trouble)
            said = f"{_which(sweep, variant)}: {trouble}"
            store.note(pipeline, "warning", "try", said, sweep.change_id)
        else:
            return Next(_job(sweep, variant, keys, split), failures)
    if not is_under_way:
        store.sweeps.end(sweep.id)
        said = "no variant is left to train; `pixd try` shows them side by side"
        store.note(pipeline, "info", "try", said, sweep.change_id)
    return None


def trained_before(store: Store, pipeline: str, keys: Sequence[Key]) -> Trained | None:
    """Return the model of a training that this pixd would make alike; only one with its weights."""
    reader = store.db.conn
    for key in (one.key for one in keys if not one.otherwise):
        made = trainings.newest_of_key(reader, pipeline, key)
        if (
            made
            and made.has_weights
            and not promotion.excluded_in(reader, store.folder, pipeline, made.digest)
        ):
            return made
    return None


def is_stopped(store: Store, pipeline: str, run: TrainingRun) -> bool:
    """Tell whether nobody wants the variant any more that a training is of."""
    sweep = store.sweeps.under_way(pipeline)
    return sweep is None or run.trying is None or run.trying.sweep != sweep.id


def _begin(store: Store, sweep: Sweep, wanted: Job, commit: Commit) -> Sweep:
    """Name the pairs that all variants are trained on.

    If the configuration changed since somebody asked in what is not tried, nothing is trained: the
    variants would be of settings that nobody sees any more.
    """
    changed = _changed_since(sweep, wanted)
    listed = store.objects.add(listing_of(wanted.split.train, wanted.split.held_out))
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([listed], "application/json")
        store.sweeps.begin(sweep.id, commit.seq, listed.digest)
        if changed:
            for variant in sweep.left:
                why = f"config.yaml was changed since it was asked for: {changed}; ask again"
                store.sweeps.give_up(sweep.id, variant.number, why)
    begun = store.sweeps.under_way(sweep.pipeline)
    assert begun is not None  # it was just there
    return begun


def _changed_since(sweep: Sweep, wanted: Job) -> str:
    """Say what the folder's own training has otherwise, beside what is tried; "" for nothing."""
    untried = [
        {name: value for name, value in recipe.items() if name not in variants.CAN_BE_TRIED}
        for recipe in (sweep.variants[0].recipe, wanted.recipe)
    ]
    return ", ".join(recipe_difference(recipe_body("train", untried[0]), untried[1]))


def _recalled(store: Store, pipeline: str, split: Split) -> str:
    """Say which of the pairs was recalled since, so that nothing may learn from them; or ""."""
    excluded = trainings.excluded(store.db.conn, pipeline)
    if not excluded:
        return ""
    contents = (digest for pair in split.used for _, digest in pair.files)
    found = next((digest for digest in contents if digest in excluded), None)
    return f"{excluded[found]} was recalled" if found else ""


@functools.lru_cache(maxsize=1)
def _split(store: Path, pairs: str) -> Split:
    """Return the pairs of a listing. To read thousands takes long, and each step asks."""
    return sides.split_of_listing(store, pairs)


@functools.lru_cache(maxsize=variants.MOST)
def _keys(store: Path, pairs: str, recipe: str) -> tuple[Key, ...]:
    """Return the keys of a variant. To hash thousands of pairs takes long too."""
    settings = json.loads(recipe)
    inputs = _split(store, pairs).key_inputs(settings["validation"])
    return tuple(train_keys(settings, inputs))


def _job(sweep: Sweep, variant: Variant, keys: Sequence[Key], split: Split) -> Job:
    reason = f"variant {variant.number} of {len(sweep.variants)} of pixd try ({sweep.who})"
    told = variants.told(variant.settings)
    return Job(
        variant.recipe,
        keys,
        split,
        asked=f"{reason}: {told}, from scratch",
        commit_seq=sweep.commit_seq,
        trying=Trying(sweep.id, variant.number, len(sweep.variants), told),
    )


def _which(sweep: Sweep, variant: Variant) -> str:
    told = variants.told(variant.settings)
    return f"variant {variant.number} of {len(sweep.variants)} ({told})"
