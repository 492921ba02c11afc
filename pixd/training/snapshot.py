"""What a training run works on: its pairs by side, what it begins from, and why it runs.

All of it is read once, before the run starts. A change during the run belongs to the next one.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import model_files
from pixd.store.edges import Edge
from pixd.store.queries import lineage
from pixd.store.recipes import recipe_difference
from pixd.system import disk, roles
from pixd.system.digests import canonical_json
from pixd.training import warm_start
from pixd.training.dataset import pairs
from pixd.training.run import Trying
from pixd.training.warm_start import Unfinished, WarmStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.commits import Commit
    from pixd.store.connection import Reader
    from pixd.store.models import Model
    from pixd.store.objects import StoredObject
    from pixd.store.revisions import Key
    from pixd.store.store import Store
    from pixd.system.children.spec_parts import Beginning, LiveModel, Pair
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


class Job(NamedTuple):
    """What a training should be of.

    Attributes:
        recipe: its settings.
        keys: under every revision, newest first.
        split: the pairs by side.
        because: why it runs where pairs and settings say nothing.
        asked: the reason where a person asked for it; it then begins from scratch.
        model: number of the model that it makes anew, where that is not the live one.
        commit_seq: number of the commit that the pairs are from; 0 is the newest.
        trying: which variant it is, of what `pixd try` asked for.
    """

    recipe: Mapping[str, Any]
    keys: Sequence[Key]
    split: Split
    because: str = ""
    asked: str = ""
    model: int | None = None
    commit_seq: int = 0
    trying: Trying | None = None


class Next(NamedTuple):
    """A training that is to be started, with the reasons of the attempts at it that failed."""

    job: Job
    failures: tuple[str, ...]


class Begin(NamedTuple):
    """What a training begins from.

    Attributes:
        origin: the live model; or why it begins from scratch, or "".
        unfinished: a training of an earlier revision that it goes on with.
    """

    origin: WarmStart | str
    unfinished: Unfinished | None = None

    @property
    def told(self) -> str:
        """The text for a run's reason, or ""."""
        origin = self.origin.told if isinstance(self.origin, WarmStart) else self.origin
        if self.unfinished is None:
            return origin
        if not isinstance(self.origin, WarmStart):
            return self.unfinished.told
        return f"{origin}; {self.unfinished.told}"

    def steps_left(self, steps: int) -> int:
        """Return how many of a recipe's steps are trained."""
        left = self.origin.steps_left(steps) if isinstance(self.origin, WarmStart) else steps
        return left - (self.unfinished.step if self.unfinished else 0)


def begin_of(reader: Reader, store: Path, pipeline: PipelineSettings, job: Job) -> Begin:
    """Return what a training begins from.

    Raises:
        OSError: the listing of the live model's training cannot be read.
    """
    origin: WarmStart | str = ""
    if not job.asked:
        origin = warm_start.choose(reader, store, pipeline, job.recipe, job.split)
    digest = origin.digest if isinstance(origin, WarmStart) else ""
    return Begin(origin, warm_start.unfinished_of(reader, store, job.keys, digest))


def take(store: Store, pipeline: PipelineSettings, job: Job, commit: Commit) -> Snapshot:
    """Take the snapshot of a training.

    Args:
        store: the open store.
        pipeline: its settings.
        job: what to train.
        commit: the commit of the training folder that the pairs are from.

    Raises:
        OSError: the store cannot be read or written.
    """
    reader, split = store.db.conn, job.split
    begin = begin_of(reader, store.folder, pipeline, job)
    said = reason(reader, store.folder, pipeline.name, job, begin)
    listed = store.objects.add(listing_of(split.train, split.held_out))
    store.objects.flush()
    live = store.models.beside(pipeline.name, job.keys[0].key)
    before = (
        warm_start.held_out_before(reader, store.folder, live.train_run) if live else frozenset()
    )
    inputs = [
        Edge(roles.VERSION, f"training@{commit.seq}", commit.version),
        Edge(roles.PAIRS, "pairs", listed.digest),
    ]
    if isinstance(begin.origin, WarmStart):
        inputs.append(Edge(warm_start.ROLE, begin.origin.model, begin.origin.digest))
    spec = {
        "recipe": job.recipe,
        "train": [_told(store, pair) for pair in split.train],
        # The new model and the live one are compared on pairs that neither was trained on.
        "held_out": [{**_told(store, p), "is_common": p.digest in before} for p in split.held_out],
        "live_model": _live_model(store.folder, live) if live else None,
        "early_after_s": _early_after_s(pipeline, job, begin),
        **_beginning(store.folder, job.keys[0].key, begin),
    }
    return Snapshot(listed, inputs, said, spec)


def reason(
    reader: Reader,
    store: Path,
    pipeline: str,
    job: Job,
    begin: Begin,
) -> str:
    """Say why a training runs, and how it begins.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        job: what to train.
        begin: as `begin_of` returns it.

    Raises:
        OSError: the listing of the live model's training cannot be read.
    """
    listing = listing_of(job.split.train, job.split.held_out)
    changes = changes_since_live(reader, store, pipeline, job.recipe, listing)
    beginning = begin.told
    if job.asked:
        said = job.asked
    elif changes is None:
        count = len(job.split.used)
        said = f"first training on {count} pair{'s' * (count != 1)}"
    else:
        said = ", ".join(changes) or job.because or "again, on the same pairs and settings"
    return f"{said}; {beginning}" if beginning else said


def changes_since_live(
    reader: Reader, store: Path, pipeline: str, recipe: Mapping[str, Any], listing: bytes
) -> list[str] | None:
    """Say how a training differs from the live model's; None before the first training.

    Without a live model it is compared with the last training that succeeded.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        recipe: of the training.
        listing: its pairs, as `listing_of` gives them.

    Raises:
        OSError: the disk refuses the listing of that training.
    """
    last = lineage.live_recipe(reader, pipeline) or lineage.last_training(reader, pipeline)
    if last is None:
        return None
    run_id, body = last
    try:
        changed = pairs_difference(lineage.listing_of(reader, store, run_id), listing)
    except (OSError, ValueError) as error:
        if disk.refusal(error):
            raise
        changed = ["nobody can tell which pairs changed"]
    return changed + recipe_difference(body, recipe)


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


def _early_after_s(pipeline: PipelineSettings, job: Job, begin: Begin) -> float:
    """Return after how many seconds of training the first early model is tried; 0 for none.

    What goes on from a live model has pictures already. A model that a person asked for beside the
    live one, or wants to promote by hand, is not shown before it is done; nor is a variant.
    """
    if job.trying:
        return 0.0
    is_wanted = pipeline.train.early != "never" and pipeline.train.promote != "manual"
    if not is_wanted or job.model is not None or isinstance(begin.origin, WarmStart):
        return 0.0
    return pipeline.train.early_seconds


def _beginning(store: Path, key: str, begin: Begin) -> dict[str, Any]:
    origin = begin.origin if isinstance(begin.origin, WarmStart) else None
    folder = warm_start.checkpoints_folder(store, key, origin.digest if origin else "")
    if begin.unfinished:
        shutil.rmtree(folder, ignore_errors=True)  # it has no checkpoint
        begin.unfinished.checkpoints.rename(folder)
    if origin is None:
        return {"checkpoints": str(folder)}
    told: Beginning = {
        "model": origin.model,
        "digest": origin.digest,
        "checkpoints": str(origin.checkpoints),
        "steps": origin.steps,
    }
    if origin.until:
        told["until"] = origin.until
    return {"checkpoints": str(folder), "warm_start": told}


def _contents(listing: bytes, *sides: str) -> set[str]:
    parts = json.loads(listing) if listing else {}
    return {
        canonical_json([digest for _, digest in files])
        for side in sides or parts
        for _, files in parts.get(side, ())
    }
