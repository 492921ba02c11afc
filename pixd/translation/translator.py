"""The live model as something to translate with: laid out, its recipe, its translator child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files
from pixd.system.children.warm_worker import WarmWorker
from pixd.system.errors import PixdError
from pixd.translation import recipe as translation_recipe
from pixd.translation import translator_child

if TYPE_CHECKING:
    from pixd.config import PipelineSettings, Settings
    from pixd.store.models import Model
    from pixd.store.store import Store

IDLE_S = 600.0
ANSWER_WITHIN_S = 180.0


class DamagedModelError(PixdError):
    """The files of a model are not all there, or are not what they were."""


class Aim(NamedTuple):
    """What outputs should be made with.

    Attributes:
        model: the live model.
        recipe: digest of `settings`.
        settings: the recipe of the translation.
        folder: the model's files, laid out.
        files: their digests, which the translator checks before it loads them.
    """

    model: Model
    recipe: str
    settings: Mapping[str, Any]
    folder: Path
    files: Mapping[str, manifests.Entry]


def aim_at(store: Store, settings: Settings, pipeline: PipelineSettings, live: Model) -> Aim:
    """Lay a model out and find the recipe that the pipeline translates with.

    Raises:
        DamagedModelError: its files cannot be read.
    """
    try:
        files = manifests.read(store.objects.path_of, live.digest)
        folder = model_files.lay_out(store, live.digest, files)
        card = translator_child.read_card(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "its card is damaged"
        raise DamagedModelError(
            f"the files of model@{live.number} cannot be read ({why})",
            advice="`pixd rollback` goes back to another model, `pixd verify` names all that is"
            " damaged",
        ) from error
    recipe = translation_recipe.translate_recipe(pipeline, settings.precision, *card)
    return Aim(live, store.runs.add_recipe("translate", recipe), recipe, folder, files)


def start_translator(
    store: Store, settings: Settings, pipeline: PipelineSettings, aim: Aim
) -> WarmWorker:
    """Return the child that translates so; it starts with its first request."""
    (store.folder / "logs").mkdir(exist_ok=True)
    return WarmWorker(
        translator_child.MODULE,
        translator_child.run_spec(settings, pipeline, aim.folder, aim.files, aim.settings),
        store.scratch / f"translate-{pipeline.name}",
        store.folder / "logs" / f"translate-{pipeline.name}.log",
        idle_s=IDLE_S,
        answer_within_s=ANSWER_WITHIN_S,
    )
