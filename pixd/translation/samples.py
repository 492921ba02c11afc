"""The outputs that one input should have: one, or several samples of what the model can draw.

With `sample: true` the network keeps its dropout. What is dropped follows from the seed of the
model's training, the number of the sample and the input's digest, so each sample of an input has
its own bytes and always the same. Sample 1 has the recipe that a lone output has: when `samples`
changes, it is not made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.recipes import recipe_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings

NUMBER = "sample_number"
"""Its name in a recipe; absent for sample 1."""


class Sample(NamedTuple):
    """One output that every input should have.

    Attributes:
        number: from 1.
        settings: the recipe of the translation.
        recipe: digest of `settings`.
    """

    number: int
    settings: Mapping[str, Any]
    recipe: str


def samples_of(pipeline: PipelineSettings, settings: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Return the outputs that every input of a pipeline should have, by number.

    Args:
        pipeline: the settings.
        settings: the recipe, as `pixd.translation.recipe.translate_recipe` returns it.
    """
    return tuple(
        _sample(number, {**settings, NUMBER: number} if number > 1 else settings)
        for number in range(1, pipeline.samples + 1)
    )


def number_in(recipe: Mapping[str, Any]) -> int:
    """Return which sample a recipe makes."""
    return int(recipe.get(NUMBER, 1))


def _sample(number: int, settings: Mapping[str, Any]) -> Sample:
    return Sample(number, settings, recipe_digest("translate", settings))
