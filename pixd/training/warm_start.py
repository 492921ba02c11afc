"""Whether a training may begin from the live model, and how many of its steps it then needs.

It may if the only difference is that it has more steps, or more patience. It then *goes on* from the
last state of the live model's training, at the step where that ended. The learning rate is constant,
and the data order and the jitter follow from the seed and the step, so it does what one longer
training does.

It also may if the only difference to the live model's training is that pairs were added, at most a
quarter of all. It then goes on from that model's weights and optimisers. The share of the steps
follows from the share of new pairs: with 40 new pairs of 400 it is a quarter.

Both hold for the live model of an earlier revision too, as `pixd.training.recipe` tells.

If a pair was removed or edited, training is from scratch. A model must not keep what it learned
from an image that is gone, and the listing of its training must name every image that it ever saw.
If another setting changed, training is from scratch too, so that the user sees what the setting does.
"""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.config.patience import patience_in
from pixd.store.queries import lineage
from pixd.training.dataset.sides import Sides
from pixd.training.recipe import steps_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.revisions import Key
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
_STEP = "step-"  # as `pixd.pix2pix.learning.checkpoints` names them


class WarmStart(NamedTuple):
    """What a training begins from.

    Attributes:
        model: its name, "model@3".
        digest: of its export.
        checkpoints: the folder with the last state of its training.
        steps: the share of the recipe's steps to train, 0 to 1.
        at: the step at which it goes on; 0 counts from the beginning.
        until: the step until which it then trains; 0 leaves that to `steps`.
    """

    model: str
    digest: str
    checkpoints: Path
    steps: float
    at: int = 0
    until: int = 0

    @property
    def told(self) -> str:
        """The text for a run's reason."""
        if self.until:
            return f"goes on from {self.model} at step {self.at}"
        return f"goes on from {self.model} with {self.steps:.0%} of the steps"

    def steps_left(self, steps: int) -> int:
        """Return how many steps are trained, of a recipe that has so many."""
        return self.until - self.at if self.until else math.ceil(steps * self.steps)


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
        warm starts are switched off, or if other settings than the number of steps changed: the
        run's reason names those anyway.

    Raises:
        OSError: the disk refuses the listing of the live model's training.
    """
    live = lineage.whole_training(reader, pipeline.name)
    if live is None or pipeline.train.warm_start == "never":
        return ""
    number, live_digest, train_run = live
    before = Sides.known(reader, store, train_run)
    if before is None:
        told = f"the list of the pairs of model@{number} cannot be read"
        return f"from scratch, because {told}; see `pixd verify`"
    wanted = {pair.digest for pair in split.used}
    if not before.is_of(reader, train_run, recipe, pipeline.train.validation):
        return _longer(reader, store, live, before, recipe, split)
    if wanted == before.all:
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
    elif not last_step_in(folder):
        why_not = f"the training state of model@{number} is not kept"
    if why_not:
        return f"from scratch, because {why_not}"
    share = min(1.0, max(MIN_STEPS, STEPS_FOR_ADDED * added / len(wanted)))
    return WarmStart(f"model@{number}", live_digest, folder, share)


def _longer(
    reader: Reader,
    store: Path,
    live: tuple[int, str, int],
    before: Sides,
    recipe: Mapping[str, Any],
    split: Split,
) -> WarmStart | str:
    """Choose for a training whose settings are not those of the live model's."""
    number, digest, train_run = live
    old = lineage.recipe_of(reader, train_run)
    length = ("steps", "epochs", "patience")
    others = [name for name in old.keys() | recipe.keys() if name not in length]
    if any(old.get(name) != recipe.get(name) for name in others):
        return ""
    if not before.is_of(reader, train_run, old, old.get("validation", 0.0)):
        return ""
    if before != Sides.of_split(split):
        return ""
    more = steps_of(recipe, len(split.train)) - steps_of(old, len(split.train))
    is_patience_alone = more == 0 and patience_in(old) != patience_in(recipe)
    folder = checkpoints_of(reader, store, train_run)
    at = last_step_in(folder)
    # It is not the recipe's number where that training began from another with fewer steps.
    until = lineage.steps_of_run(reader, train_run) + more
    why_not = ""
    if more <= 0 and not is_patience_alone:
        why_not = "a model with fewer steps cannot go on from one with more"
    elif not at:
        why_not = f"the training state of model@{number} is not kept"
    elif at >= until:
        why_not = f"model@{number} was trained to its last step"
    if why_not:
        return f"from scratch, because {why_not}"
    return WarmStart(f"model@{number}", digest, folder, 1.0, at, until)


def held_out_before(reader: Reader, store: Path, train_run: int) -> frozenset[str]:
    """Return the digests of the pairs that a training run held out, as far as they are known."""
    before = Sides.known(reader, store, train_run)
    return before.held_out if before else frozenset()


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


class Unfinished(NamedTuple):
    """A training that an earlier revision began and did not finish.

    Attributes:
        checkpoints: their folder.
        step: of the newest.
    """

    checkpoints: Path
    step: int

    @property
    def told(self) -> str:
        """The text for a run's reason."""
        return f"goes on from step {self.step}, where an earlier pixd stopped"


def unfinished_of(
    reader: Reader, store: Path, keys: Sequence[Key], begun_from: str
) -> Unfinished | None:
    """Return the training of an earlier revision that a new one goes on with.

    Args:
        reader: the store's database.
        store: the store's folder.
        keys: of the training, as `pixd.training.recipe.train_keys` returns them.
        begun_from: digest of the model that it begins from, or "".
    """
    if last_step_in(checkpoints_folder(store, keys[0].key, begun_from)):
        return None
    for earlier in keys[1:]:
        folder = checkpoints_folder(store, earlier.key, begun_from)
        if (step := last_step_in(folder)) and not lineage.has_succeeded(reader, earlier.key):
            return Unfinished(folder, step)
    return None


def last_step_in(folder: Path) -> int:
    """Return the step of the newest checkpoint in a folder; 0 where there is none."""
    steps = [found.name.removeprefix(_STEP) for found in folder.glob(f"{_STEP}*")]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def drop_what_none_begins_from(
    store: Store, pipeline: str, newest: int, *, is_variant: bool = False
) -> None:
    """Remove the checkpoints of trainings that no later training can begin from or go on with.

    Those of the newest training and of the live model's stay.

    Args:
        store: the open store.
        pipeline: its name.
        newest: the training run that has just succeeded; its model may be promoted later.
        is_variant: whether `pixd try` asked for it. A training that was cut off is still due then.
    """
    reader = store.db.conn
    live = store.models.live(pipeline)
    kept = {
        checkpoints_of(reader, store.folder, run_id)
        for run_id in (newest, *([live.train_run] if live else []))
    }
    keys = lineage.keys_of_ended_trainings(reader, pipeline)
    if not is_variant:
        keys += lineage.keys_of_abandoned_trainings(reader, pipeline, newest)
    for key in keys:
        for folder in store.checkpoints.glob(key.removeprefix("sha256:") + "*"):
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)
