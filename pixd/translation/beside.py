"""A translator of one's own, beside the service: for `pixd translate` and for a test image.

It works from the store read-only and in a folder of the caller's; nothing is recorded here.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files
from pixd.store.queries import history
from pixd.store.queries.lineage import object_path
from pixd.system.children.warm_worker import WarmWorker
from pixd.system.errors import PixdError
from pixd.translation import recipe as translation_recipe
from pixd.translation import translator_child

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader

IDLE_S = 60.0
ANSWER_WITHIN_S = 300.0


class Translator(NamedTuple):
    """A child that translates with one model, and the recipe it does so under."""

    worker: WarmWorker
    recipe: dict[str, Any]
    pixels: int


def model_of(reader: Reader, pipeline: str, number: int | None) -> dict[str, Any]:
    """Return a model of a pipeline by its number, or the live one.

    Raises:
        PixdError: there is none, or its bytes were removed.
    """
    model = history.model(reader, pipeline, number)
    if model is None:
        which = f"model@{number}" if number is not None else "live model"
        raise PixdError(f"{pipeline} has no {which}", advice="`pixd models` lists them")
    if model["bytes_state"] != "present":
        raise PixdError(f"the bytes of {model['name']} were removed", advice="train it again")
    return model


def translator(
    settings: Settings, pipeline: PipelineSettings, model: Mapping[str, Any], folder: Path
) -> Translator:
    """Return a translator for a model; its child starts with the first request.

    Args:
        settings: the checked configuration.
        pipeline: whose model it is.
        model: as `model_of` returns it.
        folder: an empty folder, for its work and its log.

    Raises:
        PixdError: the model's files cannot be read.
    """
    laid_out = model_files.folder_of(settings.store, model["digest"])
    try:
        # With the digest of each of its files, for the child to check.
        entries = manifests.read(functools.partial(object_path, settings.store), model["digest"])
        card = translator_child.read_card(laid_out)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PixdError(
            f"the files of {model['name']} cannot be read: {error}",
            advice="`pixd verify` names all that is damaged; --model names another",
        ) from error
    recipe = translation_recipe.translate_recipe(pipeline, settings.precision, *card)
    worker = WarmWorker(
        translator_child.MODULE,
        translator_child.run_spec(settings, pipeline, laid_out, entries, recipe),
        folder / "work",
        folder / "log",
        idle_s=IDLE_S,
        answer_within_s=ANSWER_WITHIN_S,
    )
    return Translator(worker, recipe, card.image_size)
