"""What a training run works on: its pairs by side, what it begins from, and why it runs.

All of it is read once, before the run starts. A change during the run belongs to the next one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import model_files
from pixd.store.edges import Edge
from pixd.store.queries import lineage
from pixd.store.recipes import recipe_difference
from pixd.system import roles
from pixd.system.digests import canonical_json
from pixd.training import warm_start
from pixd.training.dataset import pairs
from pixd.training.warm_start import WarmStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.commits import Commit
    from pixd.store.connection import Reader
    from pixd.store.models import Model
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.system.children.spec_parts import LiveModel, Pair
    from pixd.training.dataset.split import Split


class Snapshot(NamedTuple):
    """What is recorded with a run, and what its child gets.

    Attributes:
        listed: the object that names every pair, already flushed.
        inputs: the run's edges.
        reason: why it runs, for people.
        spec: the part of the run spec with recipe, pairs, live model and beginning.
    """

    listed: StoredObject
    inputs: list[Edge]
    reason: str
    spec: dict[str, Any]


def take(
    store: Store,
    pipeline: PipelineSettings,
    recipe: Mapping[str, Any],
    key: str,
    split: Split,
    commit: Commit,
) -> Snapshot:
    """Take the snapshot of a training.

    Args:
        store: the open store.
        pipeline: its settings.
        recipe: of the training.
        key: of the run.
        split: the pairs of the folder by side.
        commit: the commit of the training folder that the pairs are from.

    Raises:
        OSError: the store cannot be read or written.
    """
    reader = store.db.conn
    begin = warm_start.choose(reader, store.folder, pipeline, recipe, split)
    listed = store.objects.add(listing_of(split.train, split.held_out))
    store.objects.flush()
    live = store.models.live(pipeline.name)
    before = (
        warm_start.held_out_before(reader, store.folder, live.train_run) if live else frozenset()
    )
    inputs = [
        Edge(roles.VERSION, f"training@{commit.seq}", commit.version),
        Edge(roles.PAIRS, "pairs", listed.digest),
    ]
    if isinstance(begin, WarmStart):
        inputs.append(Edge(warm_start.ROLE, begin.model, begin.digest))
    spec = {
        "recipe": recipe,
        "train": [_told(store, pair) for pair in split.train],
        # The new model and the live one are compared on pairs that neither was trained on.
        "held_out": [{**_told(store, p), "is_common": p.digest in before} for p in split.held_out],
        "live_model": _live_model(store.folder, live) if live else None,
        **_beginning(store.folder, key, begin),
    }
    said = reason(reader, store.folder, pipeline.name, recipe, split, begin)
    return Snapshot(listed, inputs, said, spec)


def reason(
    reader: Reader,
    store: Path,
    pipeline: str,
    recipe: Mapping[str, Any],
    split: Split,
    begin: WarmStart | str,
) -> str:
    """Say why a training runs, and how it begins.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        recipe: of the training.
        split: the pairs of the folder by side.
        begin: as `warm_start.choose` returns it.

    Raises:
        OSError: the listing of the last training cannot be read.
    """
    listing = listing_of(split.train, split.held_out)
    changes = changes_since_last(reader, store, pipeline, recipe, listing)
    if changes is None:
        count = len(split.used)
        return f"first training on {count} pair{'s' * (count != 1)}"
    said = ", ".join(changes) or "again, on the same pairs and settings"
    beginning = begin.told if isinstance(begin, WarmStart) else begin
    return f"{said}; {beginning}" if beginning else said


def changes_since_last(
    reader: Reader, store: Path, pipeline: str, recipe: Mapping[str, Any], listing: bytes
) -> list[str] | None:
    """Say how a training differs from the last that succeeded, or None if there was none.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        recipe: of the training.
        listing: its pairs, as `listing_of` gives them.

    Raises:
        OSError: the listing of the last training cannot be read.
    """
    last = lineage.last_training(reader, pipeline)
    if last is None:
        return None
    run_id, body = last
    before = lineage.listing_of(reader, store, run_id)
    return pairs_difference(before, listing) + recipe_difference(body, recipe)


def listing_of(train: Iterable[pairs.Pair], held_out: Iterable[pairs.Pair] = ()) -> bytes:
    """Return the JSON that names every pair of a training."""
    sides = {"train": train, "held_out": held_out}
    listed = {
        side: [[pair.name, [list(file) for file in pair.files]] for pair in members]
        for side, members in sides.items()
    }
    return canonical_json(listed).encode()


def pairs_difference(before: bytes, after: bytes) -> list[str]:
    """Say how the pairs of two training runs differ, as ["+3 pairs", "-1 pair"].

    If only the sides of the split differ, it says how many pairs changed sides.

    Args:
        before: the listing of the older run.
        after: the listing of the newer one.
    """
    old, new = _contents(before), _contents(after)
    counts = (("+", len(new - old)), ("-", len(old - new)))
    told = [f"{sign}{count} pair{'s' * (count != 1)}" for sign, count in counts if count]
    moved = len(_contents(before, "held_out") ^ _contents(after, "held_out"))
    if moved and not told:
        told = [f"{moved} pair{'s' * (moved != 1)} on the other side of the split"]
    return told


def _told(store: Store, pair: pairs.Pair) -> Pair:
    return {
        "name": pair.name,
        "images": [str(store.objects.path_of(digest)) for _, digest in pair.files],
        "digests": [digest for _, digest in pair.files],
    }


def _live_model(store: Path, live: Model) -> LiveModel:
    return {"folder": str(model_files.folder_of(store, live.digest)), "digest": live.digest}


def _beginning(store: Path, key: str, begin: WarmStart | str) -> dict[str, Any]:
    if not isinstance(begin, WarmStart):
        return {"checkpoints": str(warm_start.checkpoints_folder(store, key, ""))}
    return {
        "checkpoints": str(warm_start.checkpoints_folder(store, key, begin.digest)),
        "warm_start": {
            "model": begin.model,
            "digest": begin.digest,
            "checkpoints": str(begin.checkpoints),
            "steps": begin.steps,
        },
    }


def _contents(listing: bytes, *sides: str) -> set[str]:
    parts = json.loads(listing) if listing else {}
    return {
        canonical_json([digest for _, digest in files])
        for side in sides or parts
        for _, files in parts.get(side, ())
    }
