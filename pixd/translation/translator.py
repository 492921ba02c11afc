"""A model that is ready to translate: its files, its recipe, and the child that has it loaded.

The service, `pixd translate` and `pixd doctor` all prepare a model and start the child here.
Promises that they ask for the same: the same image under the same model and settings is the same
run, and gives the same bytes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pixd
from pixd.store import manifests, model_files
from pixd.store.queries import history
from pixd.store.queries.lineage import object_path
from pixd.system.children.numbers import is_number
from pixd.system.children.spec import TranslateSpec
from pixd.system.children.warm_worker import WarmWorker
from pixd.system.errors import PixdError, UsageError
from pixd.translation import recipe
from pixd.translation.samples import Sample, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader
    from pixd.store.models import Model
    from pixd.store.store import Store
    from pixd.system.children.spawner import Spawner

MODULE = "pixd.pix2pix.translator"
LINKS = "model"
"""Folder of links to the files of a model, where the store has none laid out."""
BATCH = 8
IDLE_S = 600.0
ANSWER_WITHIN_S = 180.0
APART_IDLE_S = 60.0
APART_ANSWER_WITHIN_S = 300.0
"""A command waits longer: the service may have the processor to itself meanwhile."""


class DamagedModelError(PixdError):
    """Some files of a model are missing or changed."""


class Card(NamedTuple):
    """What a translation must know of its model.

    Attributes:
        image_size: side of the square that it works at, pixels.
        pairs: the setting of that name that it was trained under.
        recipe: of its training.
    """

    image_size: int
    pairs: str
    recipe: Mapping[str, Any]


class Prepared(NamedTuple):
    """A model that can be loaded, and the recipe that a pipeline translates with under it.

    Attributes:
        model: its digest.
        folder: its files, laid out.
        files: what they must be; the child checks this before it loads them.
        card: what it says of itself.
        samples: what every input gets, by number: one output or several.
    """

    model: str
    folder: Path
    files: Mapping[str, manifests.Entry]
    card: Card
    samples: tuple[Sample, ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recipe of the translation; of several samples, that of the first."""
        return self.samples[0].settings

    @property
    def recipe(self) -> str:
        """Digest of `settings`."""
        return self.samples[0].recipe

    @property
    def recipes(self) -> list[str]:
        """The digest of every sample's recipe, by number."""
        return [sample.recipe for sample in self.samples]


class Apart(NamedTuple):
    """A translator that belongs to a command: the child, and what it translates with."""

    worker: WarmWorker
    prepared: Prepared


# -- for the service -------------------------------------------------------------------------


def prepare(store: Store, settings: Settings, pipeline: PipelineSettings, model: Model) -> Prepared:
    """Lay a model out in the store, and find the recipe that the pipeline translates with.

    Raises:
        DamagedModelError: its files cannot be read.
    """
    return _prepare(
        settings,
        pipeline,
        f"model@{model.number}",
        model.digest,
        path_of=store.objects.path_of,
        lay_out=lambda files: model_files.lay_out(store, model.digest, files),
    )


def start(
    store: Store,
    settings: Settings,
    pipeline: PipelineSettings,
    prepared: Prepared,
    spawner: Spawner,
) -> WarmWorker:
    """Return the service's child for a prepared model; it starts with its first request."""
    is_here = settings.engine == "local"
    return WarmWorker(
        MODULE,
        run_spec(settings, pipeline, prepared),
        store.scratch / f"translate-{pipeline.name}",
        store.standing("logs") / f"translate-{pipeline.name}.log",
        spawner=spawner,
        idle_s=IDLE_S if is_here else settings.ray.translate.idle_seconds,
        # A host waits as long, and finds the image that hangs its child. That comes first.
        answer_within_s=ANSWER_WITHIN_S * (1 if is_here else 4),
    )


# -- for a command ---------------------------------------------------------------------------


def model_of(reader: Reader, pipeline: str, number: int | None) -> dict[str, Any]:
    """Return a model of a pipeline by its number, or the live one.

    Raises:
        UsageError: there is none of this number.
        PixdError: none is live, or its bytes were removed.
    """
    model = history.model(reader, pipeline, number)
    if model is None:
        kind, which = (
            (PixdError, "live model") if number is None else (UsageError, f"model@{number}")
        )
        raise kind(f"{pipeline} has no {which}", advice="`pixd models` lists them")
    if model["bytes_state"] != "present":
        raise PixdError(f"the bytes of {model['name']} were removed", advice="train it again")
    return model


def start_apart(
    settings: Settings,
    pipeline: PipelineSettings,
    model: Mapping[str, Any],
    folder: Path,
    spawner: Spawner,
) -> Apart:
    """Return a translator that reads the store and writes only to a folder of the caller's.

    Nothing is recorded here. The child starts with its first request.

    Args:
        settings: the checked configuration.
        pipeline: whose model it is.
        model: as `model_of` returns it.
        folder: an empty folder, for its work and its log.
        spawner: starts the child.

    Raises:
        DamagedModelError: the model's files cannot be read.
    """
    digest = model["digest"]
    path_of = functools.partial(object_path, settings.store)
    prepared = _prepare(
        settings,
        pipeline,
        model["name"],
        digest,
        path_of=path_of,
        lay_out=lambda files: _laid_out(settings.store, digest, files, path_of, folder / LINKS),
    )
    worker = WarmWorker(
        MODULE,
        run_spec(settings, pipeline, prepared),
        folder / "work",
        folder / "log",
        spawner=spawner,
        idle_s=APART_IDLE_S,
        answer_within_s=APART_ANSWER_WITHIN_S,
    )
    return Apart(worker, prepared)


def _laid_out(
    store: Path,
    digest: str,
    files: Mapping[str, manifests.Entry],
    path_of: Callable[[str], Path],
    folder: Path,
) -> Path:
    """Return the folder of a model's files in the store; if some are missing, links in `folder`.

    Only the service may lay them out in the store. It does so from the objects. So for a command
    too, a model is damaged only if its objects are.

    Raises:
        OSError: an object is missing, or `folder` cannot be written.
    """
    present = model_files.folder_of(store, digest)
    if all((present / name).exists() for name in files):
        return present
    folder.mkdir()
    for name, entry in files.items():
        source = path_of(entry.digest)
        source.stat()
        (folder / name).symlink_to(source)
    return folder


# -- for both --------------------------------------------------------------------------------


def _prepare(
    settings: Settings,
    pipeline: PipelineSettings,
    name: str,
    digest: str,
    *,
    path_of: Callable[[str], Path],
    lay_out: Callable[[Mapping[str, manifests.Entry]], Path],
) -> Prepared:
    """Read a model's manifest, lay its files out, read its card, find the recipe.

    Args:
        settings: the checked configuration.
        pipeline: whose images are translated.
        name: of the model, for people.
        digest: of the model.
        path_of: returns where the bytes of a digest are.
        lay_out: returns the folder with the files of that manifest.

    Raises:
        DamagedModelError: its files cannot be read.
    """
    try:
        files = manifests.read(path_of, digest)
        folder = lay_out(files)
        card = read_card(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "its card is damaged"
        raise DamagedModelError(
            f"the files of {name} cannot be read ({why})",
            advice="`pixd rollback` goes back to another model, `pixd verify` names all that is"
            " damaged",
        ) from error
    effective = recipe.translate_recipe(pipeline, settings.precision, *card)
    return Prepared(digest, folder, files, card, samples_of(pipeline, effective))


def read_card(folder: Path) -> Card:
    """Return the facts of the model laid out in `folder`.

    Raises:
        OSError: its card cannot be read.
        ValueError, KeyError, TypeError: its card is damaged.
    """
    card: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
    return Card(int(card["image_size"]), str(card["pairs"]), dict(card.get("recipe", {})))


def run_spec(settings: Settings, pipeline: PipelineSettings, prepared: Prepared) -> TranslateSpec:
    """Return the run spec for `pixd.system.children.warm_worker.WarmWorker`.

    Args:
        settings: the checked configuration.
        pipeline: whose images are translated.
        prepared: what they are translated with.
    """
    return TranslateSpec(
        pipeline=pipeline.name,
        model=str(prepared.folder),
        files={name: entry.digest for name, entry in prepared.files.items()},
        recipe=prepared.settings,
        device=settings.device,
        precision=settings.precision,
        batch=BATCH,
        max_megapixels=pipeline.max_megapixels,
    )


class Wanted(NamedTuple):
    """One image that is asked for: the key of its run, which sample it is, and where it goes."""

    key: str
    number: int
    out: Path


def request(
    image: Path, wanted: Sequence[Wanted], *, input_digest: str, model_digest: str, version: str
) -> dict[str, Any]:
    """Return the request for what is to be made of one image.

    Args:
        image: the file to translate.
        wanted: what to make of it, at least one.
        input_digest: of the image's bytes.
        model_digest: of the model.
        version: of the training folder that the model was trained on.
    """
    text = {
        "Software": f"pixd {pixd.__version__}",
        "pixd:model": model_digest,
        "pixd:dataset": version,
        "pixd:input-sha256": input_digest.removeprefix("sha256:"),
    }
    # The run is named by its key and not by its number, so that the same image under the same
    # model always gives the same bytes, at any time and place.
    made = [
        {"out": str(one.out), "text": {**text, "pixd:run": one.key}, "number": one.number}
        for one in wanted
    ]
    asked = {"image": str(image), "digest": input_digest}
    return {**asked, **made[0]} if len(made) == 1 else {**asked, "samples": made}


def made_in(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what an answer tells of each image that was made, in the order of the request."""
    return list(event.get("samples") or [event])


def timings_of(event: Mapping[str, Any]) -> dict[str, float]:
    """Return the milliseconds that were told of an image, without what is no number."""
    told = event.get("ms")
    return {k: v for k, v in told.items() if is_number(v)} if isinstance(told, dict) else {}
