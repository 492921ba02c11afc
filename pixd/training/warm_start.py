"""May a training begin from the live model, and with how many of its steps.

The rule: it goes on from the live model's weights and optimisers where nothing but added pairs
sets the two trainings apart, and the added ones are at most a quarter of all. The share of the
steps follows from the share of pairs that are new: 40 new pairs of 400 get a quarter.

Whatever is taken away or edited means training from scratch: a model must not go on knowing
an image that is gone from its folder, and its own listing must name all that it ever saw.
Changed settings mean it too: whoever changes one wants to see what it does.
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
"""Of the input edge that names the model which a training run began from."""
MAX_ADDED = 0.25
"""Above this share of new pairs, training from scratch is as well."""
STEPS_FOR_ADDED = 2.5
"""Share of the steps for the share of new pairs: each is seen 2.5 times as often as if the
whole training had known it, because the old ones are seen again too."""
MIN_STEPS = 0.1
"""A single new pair still gets this share of the steps."""


class WarmStart(NamedTuple):
    """What a training begins from.

    Attributes:
        model: its name, "model@3".
        digest: of its export.
        checkpoints: the folder with its last training state.
        steps: the share of the recipe's steps that is trained, 0 to 1.
    """

    model: str
    digest: str
    checkpoints: Path
    steps: float

    @property
    def told(self) -> str:
        """What a run's reason says of it."""
        return f"goes on from {self.model} with {self.steps:.0%} of the steps"


def choose(
    reader: Reader,
    store: Path,
    pipeline: PipelineSettings,
    recipe: Mapping[str, Any],
    split: Split,
) -> WarmStart | str:
    """Return what a training of these pairs begins from, or why it starts from scratch.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its settings.
        recipe: of the training.
        split: the pairs of the folder by side.

    Returns:
        A warm start, or a reason; "" where there is none to give: no model is live, it is
        switched off, or the settings changed, which the run's reason names anyway.

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
        begun_from: digest of the model that it began from, or "". Another beginning is another
            training: one never goes on from a checkpoint of the other.
    """
    name = key.removeprefix("sha256:")
    if begun_from:
        name += "-" + begun_from.removeprefix("sha256:")[:16]
    return store / "checkpoints" / name


def drop_what_none_begins_from(store: Store, pipeline: str, newest: int) -> None:
    """Drop the checkpoints of trainings that are through, but of the newest and the live one's.

    Args:
        store: the open store.
        pipeline: its name.
        newest: the training run that has just succeeded; its model may yet be promoted.
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
