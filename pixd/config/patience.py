"""The setting `train.patience`: in config.yaml, in the recipe of a training, and back.

A recipe says nothing of it where it is the usual: `auto` for a number of epochs, which is a guess about
pairs that nobody has seen yet, and `never` for a number of steps, which is a wish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: Final = "auto"
NEVER: Final = "never"
WORDS: Final = (AUTO, NEVER)
MOST: Final = 100  # validations; more is never

_KEY: Final = "patience"


def recipe_of(patience: str | int, steps: int | None) -> dict[str, str | int]:
    """Return what a recipe says of it. `steps`: of the settings, None for a number of epochs."""
    said = _usual(steps) if patience == AUTO else patience
    return {} if said == _usual(steps) else {_KEY: said}


def patience_in(recipe: Mapping[str, Any]) -> str | int:
    """Return the patience of a training: "auto", "never" or a number of validations."""
    said: str | int = recipe.get(_KEY, _usual(recipe["steps"]))
    return said


def _usual(steps: int | None) -> str:
    return AUTO if steps is None else NEVER
