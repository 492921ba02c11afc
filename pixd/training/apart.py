"""How the settings of a model differ from those of config.yaml, as lines to put into it. Pure.

A model that a person promoted stays for as long as it is pinned. Without the pin, pixd goes back to
what config.yaml asks for.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.config.patience import patience_in
from pixd.config.settings import TrainSettings
from pixd.config.variants import value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OF_TRAIN = frozenset(field.name for field in fields(TrainSettings))


class Apart(NamedTuple):
    """One setting that differs.

    Attributes:
        name: as in the recipe, which is as in config.yaml.
        value: of the model.
        configured: of config.yaml.
    """

    name: str
    value: Any
    configured: Any

    @property
    def key(self) -> str:
        """Its key in config.yaml, below the pipeline."""
        return f"train.{self.name}" if self.name in _OF_TRAIN else self.name

    @property
    def told(self) -> str:
        """Both values, for people."""
        return f"{self.key} is {_text(self.value)}, in config.yaml {_text(self.configured)}"


def apart(recipe: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Apart]:
    """Return the settings that differ.

    Args:
        recipe: of the model's training.
        wanted: of the training that config.yaml asks for.
    """
    mine, other = _whole(recipe), _whole(wanted)
    if not {"patience"} & (recipe.keys() | wanted.keys()):
        other["patience"] = mine["patience"]  # it only follows from epochs or steps
    return [
        Apart(name, mine.get(name), other.get(name))
        for name in sorted(mine.keys() | other.keys())
        if mine.get(name) != other.get(name)
    ]


def config_lines(differing: Sequence[Apart]) -> Iterator[str]:
    """Yield the lines that make config.yaml ask for what the model is, below its pipeline."""
    for one in differing:
        if one.name not in _OF_TRAIN and one.value is not None:
            yield f"{one.name}: {value_text(one.value)}"
    of_train = [one for one in differing if one.name in _OF_TRAIN and one.value is not None]
    if of_train:
        yield "train:"
    for one in of_train:
        yield f"  {one.name}: {value_text(one.value)}"
    for one in differing:
        if one.name in {"epochs", "steps"} and one.value is None:
            yield f"  # and no {one.name}"


def _whole(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with what it leaves out where it is usual."""
    return {"replicas": 1, **recipe, "patience": patience_in(recipe)}


def _text(value: object) -> str:
    return "unset" if value is None else value_text(value)
