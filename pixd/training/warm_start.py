"""Whether a training may begin from the live model, and how many of its steps it then needs.

It may if the only difference to the live model's training is that pairs were added, at most a
quarter of all. It then goes on from that model's weights and optimisers. The share of the steps
follows from the share of new pairs: with 40 new pairs of 400 it is a quarter.

If a pair was removed or edited, training is from scratch. A model must not keep what it learned
from an image that is gone, and the listing of its training must name every image that it ever saw.
If a setting changed, training is from scratch too, so that the user sees what the setting does.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.queries import lineage
from pixd.training.dataset import pairs
from pixd.training.dataset.split import key_inputs
from pixd.training.recipe import train_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.store import Store
    from pixd.training.dataset.split import Split

ROLE = "warm-start"
"""Role of the input edge that names the model from which a training began."""
MAX_ADDED = 0.25
"""With a larger share of new pairs, training from scratch is as good."""
STEPS_FOR_ADDED = 2.5
"""The share of the steps is this times the share of new pairs. Each new pair is then seen 2.5 times
as often as in a training from scratch, because the old pairs are seen again too."""
MIN_STEPS = 0.1
"""The smallest share of the steps, also for a single new pair."""


class WarmStart(NamedTuple):
    """What a training begins from.

    Attributes:
        model: its name, "model@3".
        digest: of its export.
        checkpoints: the folder with the last state of its training.
        steps: the share of the recipe's steps to train, 0 to 1.
    """

    model: str
    digest: str
    checkpoints: Path
    steps: float

    @property
    def told(self) -> str:
        """The text for a run's reason."""
        return f"goes on from {self.model} with {self.steps:.0%} of the steps"


def choose(
    reader: Reader,
    store: Path,
    pipeline: PipelineSettings,
    recipe: Mapping[str, Any],
    split: Split,
) -> WarmStart | str:
    """Choose what a training of these pairs begins from.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its settings.
        recipe: of the training.
        split: the pairs of the folder by side.

    Returns:
        A warm start, or the reason to train from scratch. The reason is "" if no model is live, if
        warm starts are switched off, or if settings changed: the run's reason names those anyway.

    Raises:
        OSError: the listing of the live model's training cannot be read.
    """
    live = lineage.live_training(reader, pipeline.name)
    if live is None or pipeline.train.warm_start == "never":
        return ""
    number, live_digest, train_run = live
    before = _Sides.of(reader, store, train_run)
    inputs = key_inputs(before.train, before.held_out, pipeline.train.validation)
    same_key = train_key(recipe, inputs)
    wanted = {pair.digest for pair in split.used}
    if lineage.key_of_run(reader, train_run) != same_key or wanted == before.all:
        return ""
    folder = checkpoints_of(reader, store, train_run)
    added = len(wanted - before.all)
    why_not = ""
    if before.all - wanted:
        why_not = "pairs were taken away"
    elif added > MAX_ADDED * len(wanted):
        why_not = f"{added} of {len(wanted)} pairs are new"
    elif before.train & {pair.digest for pair in split.held_out}:
        why_not = "pairs that were trained on are held out from now on"
    elif not any(folder.glob("step-*")):
        why_not = f"the training state of model@{number} is not kept"
    if why_not:
        return f"from scratch, because {why_not}"
    share = min(1.0, max(MIN_STEPS, STEPS_FOR_ADDED * added / len(wanted)))
    return WarmStart(f"model@{number}", live_digest, folder, share)


def held_out_before(reader: Reader, store: Path, train_run: int) -> set[str]:
    """Return the digests of the pairs that a training run held out."""
    return _Sides.of(reader, store, train_run).held_out


def checkpoints_of(reader: Reader, store: Path, train_run: int) -> Path:
    """Return the folder for the checkpoints of a training run."""
    begun_from = "".join(lineage.started_from(reader, train_run))
    return checkpoints_folder(store, lineage.key_of_run(reader, train_run), begun_from)


def checkpoints_folder(store: Path, key: str, begun_from: str) -> Path:
    """Return the folder for the checkpoints of a training with this key.

    Args:
        store: the store's folder.
        key: of the run.
        begun_from: digest of the model that it began from, or "". Trainings that began from
            different models have different folders, so that neither uses the other's checkpoints.
    """
    name = key.removeprefix("sha256:")
    if begun_from:
        name += "-" + begun_from.removeprefix("sha256:")[:16]
    return store / "checkpoints" / name


def drop_what_none_begins_from(store: Store, pipeline: str, newest: int) -> None:
    """Remove the checkpoints of ended trainings that no later training can begin from.

    Those of the newest training and of the live model's stay.

    Args:
        store: the open store.
        pipeline: its name.
        newest: the training run that has just succeeded; its model may be promoted later.
    """
    reader = store.db.conn
    live = store.models.live(pipeline)
    kept = {
        checkpoints_of(reader, store.folder, run_id)
        for run_id in (newest, *([live.train_run] if live else []))
    }
    for key in lineage.keys_of_ended_trainings(reader, pipeline):
        for folder in store.checkpoints.glob(key.removeprefix("sha256:") + "*"):
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)


class _Sides(NamedTuple):
    """The digests of the pairs of a training run."""

    train: set[str]
    held_out: set[str]

    @classmethod
    def of(cls, reader: Reader, store: Path, train_run: int) -> _Sides:
        """Read them from the run's listing."""
        listing = json.loads(lineage.listing_of(reader, store, train_run) or b"{}")
        return cls(
            *(
                {
                    pairs.digest_of_files([digest for _, digest in files])
                    for _, files in listing.get(side, [])
                }
                for side in cls._fields
            )
        )

    @property
    def all(self) -> set[str]:
        """Both sides."""
        return self.train | self.held_out
