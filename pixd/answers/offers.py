"""What pixd could do and does only when a person asks: make anew after an upgrade, promote.

Nothing here is wrong, so none of it makes a status degraded. Each offer has a sentence that says
what there is, and the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store import revisions
from pixd.store.queries import history, retraining, trainings
from pixd.store.queries import status as queries
from pixd.store.revisions import keys
from pixd.training.recipe import REVISIONS, train_recipe
from pixd.translation import recipe as translation

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.queries.retraining import Made


class Offer(NamedTuple):
    """One thing that a person may ask for.

    Attributes:
        kind: "upgrade", "outputs" or "refused".
        told: what there is.
        command: what to type, or "" where it is done without being asked.
        then: what the command does.
    """

    kind: str
    told: str
    command: str
    then: str

    @property
    def sentence(self) -> str:
        """The whole, for people."""
        return f"{self.told}; {f'`{self.command}` ' if self.command else ''}{self.then}"

    def as_json(self) -> dict[str, str]:
        """Return it as `pixd status --json` has it."""
        return {"kind": self.kind, "told": self.sentence, "command": self.command}


def of_pipeline(
    reader: Reader, store: Path, precision: str, pipeline: PipelineSettings, *, which: str = ""
) -> list[Offer]:
    """Return what is offered in a pipeline.

    Args:
        reader: the store's database.
        store: the store's folder.
        precision: the configured one.
        pipeline: its settings.
        which: " -p NAME" where there are several pipelines.
    """
    live = trainings.live(reader, pipeline.name)
    if live is None:
        return []
    made = retraining.model_numbered(reader, pipeline.name, live.number)
    assert made is not None  # it is live
    if queries.repo(reader, pipeline.name, "training").version is None:
        return []
    found = []
    if live.is_pinned:  # nothing takes the place of its model
        pass
    elif (newest := retraining.newest_model(reader, pipeline.name)) and newest.number > live.number:
        found += _refused(reader, precision, pipeline, newest, which)
    else:
        found += _upgrade(reader, store, precision, pipeline, made, which)
    return found + _outputs(reader, precision, pipeline, made, which)


def _is_wanted(reader: Reader, precision: str, pipeline: PipelineSettings, made: Made) -> bool:
    """Tell whether a model has the settings of the configuration and what is in the folder."""
    head = queries.repo(reader, pipeline.name, "training").version
    return head == made.version and train_recipe(pipeline, precision) == made.recipe


def _refused(
    reader: Reader, precision: str, pipeline: PipelineSettings, newest: Made, which: str
) -> list[Offer]:
    if not newest.is_worse or not _is_wanted(reader, precision, pipeline, newest):
        return []
    told = f"model@{newest.number} was not promoted: {newest.verdict['why']}"
    command = f"pixd promote model@{newest.number}{which}"
    return [Offer("refused", told, command, "makes it live all the same")]


def _upgrade(
    reader: Reader,
    store: Path,
    precision: str,
    pipeline: PipelineSettings,
    made: Made,
    which: str,
) -> list[Offer]:
    otherwise = _otherwise(reader, store, made)
    if not otherwise or not _is_wanted(reader, precision, pipeline, made):
        return []  # or another training is due
    anew = f"model@{made.number} anew"
    if retraining.asked_of(reader, pipeline.name):
        return [Offer("upgrade", otherwise, "", f"{anew} was asked for and follows")]
    if pipeline.train.on_upgrade == "retrain":
        return [Offer("upgrade", otherwise, "", f"{anew} follows (train.on_upgrade: retrain)")]
    return [Offer("upgrade", otherwise, f"pixd retrain{which}", f"makes {anew}")]


def _otherwise(reader: Reader, store: Path, made: Made) -> str:
    """Say how this pixd makes a model otherwise; "" where it does not, or where it is not known."""
    revision = retraining.revision_of(reader, made.train_run)
    if revision is not None:
        return revisions.otherwise(REVISIONS, revision)
    from pixd.training.dataset import sides  # noqa: PLC0415 - until the first start alone

    try:
        return sides.otherwise(reader, store, made.train_run, made.recipe)
    except (OSError, ValueError):  # `pixd verify` names what is damaged
        return ""


def _outputs(
    reader: Reader, precision: str, pipeline: PipelineSettings, made: Made, which: str
) -> list[Offer]:
    """Look at the oldest output: an upgrade replaces none, so the newer ones are of this pixd."""
    if not revisions.otherwise(translation.REVISIONS, translation.REVISIONS[0].number):
        return []
    from pixd.translation.samples import samples_of  # noqa: PLC0415 - hashes, seldom

    model = history.model(reader, pipeline.name, made.number)
    assert model is not None  # it is live
    oldest = retraining.oldest_current_recipe(reader, pipeline.name, model["digest"])
    if oldest is None:
        return []
    recipe_then, key, input_digest = oldest
    recipe: dict[str, Any] = translation.translate_recipe(
        pipeline, precision, int(made.recipe["image_size"]), made.recipe["pairs"], made.recipe
    )
    if recipe_then not in {sample.recipe for sample in samples_of(pipeline, recipe)}:
        return []
    inputs = [input_digest, model["digest"]]
    every = keys("translate", translation.REVISIONS, recipe_then, inputs)
    told = next((one.otherwise for one in every if one.key == key), "")
    if not told:
        return []
    then = "makes the older outputs anew by the live model"
    return [Offer("outputs", told, f"pixd retrain --outputs{which}", then)]
