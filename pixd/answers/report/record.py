"""What the store knows of a model, gathered for its report.

Read-only and standard library only. A report is made of what is left. What is gone (weights, pairs,
the sheet of an old model) is named in words instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.config.settings import PipelineSettings
from pixd.store.queries import files, history, lineage, runs
from pixd.store.states import BytesState
from pixd.training import recipe, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.store.connection import Reader

SHEET_ROLE = "samples"
SHEET_PAIRS = 4  # as many as pixd.pix2pix.learning.previews draws, in the same order
_NO_SETTINGS = {"stage", "digest"}  # of a recipe as it is read back
_UNSAID = {"replicas": 1}  # a recipe leaves out a setting that has this value


class Setting(NamedTuple):
    """One setting of the training.

    Attributes:
        name: as in the recipe, which is as in config.yaml.
        value: as it was.
        default: pixd's default, where it is another; else None.
        before: the value of the model before, where it was another; else None.
    """

    name: str
    value: str
    default: str | None
    before: str | None

    @property
    def is_told_first(self) -> bool:
        """Whether it differs from anything."""
        return self.default is not None or self.before is not None


class Picture(NamedTuple):
    """A pair as the model sees it, or why it cannot be shown.

    Attributes:
        name: of the pair.
        parts: PNG bytes of input, output and target, in this order; none where it is not shown.
        l1: mean absolute difference of output and target, of 255.
        trouble: why it is not shown, or "".
    """

    name: str
    parts: tuple[bytes, ...] = ()
    l1: float | None = None
    trouble: str = ""


class Shown(NamedTuple):
    """A pair that the report is to show: its files, or why they cannot be shown."""

    name: str
    images: tuple[Path, ...]
    digests: tuple[str, ...]
    trouble: str


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything that a report shows.

    Attributes:
        model: the row, as `views.model` gives it, with its training run.
        commit: of the training folder that it was trained on, or None.
        pairs: names of the pairs by side, "train" and "held_out".
        changes: how its pairs differ from those of the model before, for people.
        before: name of the model before, or "".
        begun_from: name of the model whose weights it began with, or "".
        settings: by name.
        curves: points (step, value) by name.
        sheet: the PNG of the sheet of samples, or None.
        sheet_trouble: why there is none.
        shown: the pairs to be shown.
        shows_held_out: whether these were held out; else they were trained on.
        pictures: of the pairs to be shown, once they are made.
        pictures_trouble: why none could be made, or "".
    """

    model: Mapping[str, Any]
    commit: Mapping[str, Any] | None
    pairs: Mapping[str, Sequence[str]]
    changes: Sequence[str]
    before: str
    begun_from: str
    settings: Sequence[Setting]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    sheet: bytes | None
    sheet_trouble: str
    shown: Sequence[Shown]
    shows_held_out: bool
    pictures: Sequence[Picture] = field(default_factory=list)
    pictures_trouble: str = ""

    @property
    def missing(self) -> list[str]:
        """What the report has no picture of, and why, for people."""
        told = [self.sheet_trouble, self.pictures_trouble]
        told += [f"{one.name}: {one.trouble}" for one in self.pictures if one.trouble]
        return [text for text in told if text]


def gather(reader: Reader, store: Path, model: Mapping[str, Any], count: int) -> Record:
    """Gather what a report says of a model, all but the pictures that have to be made.

    Args:
        reader: the store's database.
        store: the store's folder.
        model: as `views.model` returns it.
        count: how many pairs to show, at most.
    """
    name = model["pipeline"]
    before = history.model(reader, name, model["number"] - 1)
    try:
        listed = lineage.dataset_of(reader, store, model["train_run"])
        changes = _changes(reader, store, model, before)
        trouble = ""
    except (OSError, ValueError) as error:
        listed, changes = {"train": [], "held_out": []}, []
        trouble = f"the list of its pairs cannot be read: {error}; `pixd verify` says more"
    recalled = set(files.recalled_in(reader, name))
    side = "held_out" if listed["held_out"] else "train"
    sheet, sheet_trouble = _sheet(reader, store, model, listed[side], recalled)
    begun = runs.edges(reader, model["train_run"], "warm-start")
    return Record(
        model=model,
        commit=history.commit(reader, name, "training", str(model["commit_seq"])),
        pairs={part: [pair["name"] for pair in members] for part, members in listed.items()},
        changes=changes,
        before=before["name"] if before else "",
        begun_from=begun[0].path if begun else "",
        settings=settings_of(model, before),
        curves=history.curves(reader, model["train_run"]),
        sheet=sheet,
        sheet_trouble=sheet_trouble,
        shown=[shown_pair(store, pair, recalled) for pair in listed[side][:count]],
        shows_held_out=side == "held_out",
        pictures_trouble=trouble or weights_trouble(model),
    )


def _changes(
    reader: Reader, store: Path, model: Mapping[str, Any], before: Mapping[str, Any] | None
) -> list[str]:
    if before is None:
        return []
    runs = (before["train_run"], model["train_run"])
    old, new = (lineage.listing_of(reader, store, run) for run in runs)
    return snapshot.pairs_difference(old, new)


def settings_of(model: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Setting]:
    """Return the settings of a model's training by name, with the defaults and another's."""
    nowhere = PipelineSettings(name="", training=Path(), input=Path(), output=Path())
    defaults = _UNSAID | recipe.train_recipe(nowhere, "auto")
    mine = _UNSAID | model["training"]["recipe"]
    others = _UNSAID | before["training"]["recipe"] if before else mine
    found = []
    for name in sorted((mine.keys() | others.keys()) - _NO_SETTINGS):
        value, old = _value(mine.get(name)), _value(others.get(name))
        default = _value(defaults.get(name))
        found.append(
            Setting(
                name,
                value,
                # One of epochs and steps is always unset, and need not be shown.
                default if value not in {default, ""} else None,
                old if old != value else None,
            )
        )
    return [setting for setting in found if setting.value or setting.before]


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sheet(
    reader: Reader,
    store: Path,
    model: Mapping[str, Any],
    drawn: Sequence[Mapping[str, Any]],
    recalled: set[str],
) -> tuple[bytes | None, str]:
    """Return the sheet of samples and "", or None and why there is none to show."""
    row = history.output_of_run(reader, model["train_run"], SHEET_ROLE)
    if row is None:
        return None, "the sheet of samples was not kept when this model was trained"
    if row.state is not BytesState.PRESENT:
        return None, "the sheet of samples was removed by `pixd gc`"
    if any(recalled & _digests(pair) for pair in drawn[:SHEET_PAIRS]):
        return None, "the sheet of samples shows a picture that was recalled since"
    try:
        return lineage.object_path(store, row.digest).read_bytes(), ""
    except OSError as error:
        return None, f"the sheet of samples cannot be read: {error.strerror}; run `pixd verify`"


def shown_pair(store: Path, pair: Mapping[str, Any], recalled: set[str]) -> Shown:
    """Return a pair of a listing with its files, or with why it must not or cannot be shown.

    Args:
        store: the store's folder.
        pair: as `lineage.dataset_of` gives it.
        recalled: digests of what was taken out.
    """
    digests = tuple(file["digest"] for file in pair["files"])
    paths = tuple(lineage.object_path(store, digest) for digest in digests)
    if recalled & _digests(pair):
        return Shown(pair["name"], paths, digests, "recalled: it is in no report any more")
    if not all(path.exists() for path in paths):
        return Shown(pair["name"], paths, digests, "its pictures are no longer kept")
    return Shown(pair["name"], paths, digests, "")


def weights_trouble(model: Mapping[str, Any]) -> str:
    """Say why a model cannot draw, or ""."""
    if model["bytes_state"] == BytesState.PRESENT:
        return ""
    back = (
        "; `pixd gc --undo` brings them back" if model["bytes_state"] == BytesState.TRASHED else ""
    )
    return f"the weights of {model['name']} are no longer kept, so it can draw nothing{back}"


def _digests(pair: Mapping[str, Any]) -> set[str]:
    return {file["digest"] for file in pair["files"]}
