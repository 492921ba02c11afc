"""What the translator child is started and asked with, by the service and beside it alike.

That both ask the same is a promise: the same image under the same model and settings is the same
run, and gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pixd
from pixd.store.runs import run_key
from pixd.system.children.spec import SCHEMA
from pixd.translation.recipe import TRANSLATE_REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings, Settings
    from pixd.store import manifests

MODULE = "pixd.pix2pix.translator"
BATCH = 8


class Card(NamedTuple):
    """What a translation must know of its model.

    Attributes:
        image_size: side of the square that it works at, pixels.
        pairs: the setting of that name that it was trained under.
    """

    image_size: int
    pairs: str


def read_card(folder: Path) -> Card:
    """Return the facts of the model laid out in `folder`.

    Raises:
        OSError: its card cannot be read.
        ValueError, KeyError, TypeError: its card is damaged.
    """
    card: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
    return Card(int(card["image_size"]), str(card["pairs"]))


def run_spec(
    settings: Settings,
    pipeline: PipelineSettings,
    folder: Path,
    files: Mapping[str, manifests.Entry],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the run spec for `pixd.system.children.warm_worker.WarmWorker`.

    Args:
        settings: the checked configuration.
        pipeline: whose images are translated.
        folder: the model's files, laid out.
        files: what they must be; the child checks it before it loads them.
        recipe: of the translation.
    """
    return {
        "schema": SCHEMA,
        "kind": "translate",
        "model": str(folder),
        "files": {name: entry.digest for name, entry in files.items()},
        "recipe": recipe,
        "device": settings.device,
        "precision": settings.precision,
        "batch": BATCH,
        "max_megapixels": pipeline.max_megapixels,
    }


def translation_key(recipe: str, input_digest: str, model_digest: str) -> str:
    """Return the key of the run that makes an output; `recipe` is a digest."""
    return run_key("translate", TRANSLATE_REVISION, recipe, [input_digest, model_digest])


def request(
    image: Path, out: Path, *, key: str, input_digest: str, model_digest: str, version: str
) -> dict[str, Any]:
    """Return the request for one image.

    Args:
        image: the file to translate.
        out: where the PNG goes.
        key: of the run.
        input_digest: of the image's bytes.
        model_digest: of the model.
        version: of the training folder that the model was trained on.
    """
    return {
        "image": str(image),
        "out": str(out),
        # The run is named by its key and not by its number, so that the same image under
        # the same model gives the same bytes whenever and wherever it is made.
        "text": {
            "Software": f"pixd {pixd.__version__}",
            "pixd:model": model_digest,
            "pixd:dataset": version,
            "pixd:input-sha256": input_digest.removeprefix("sha256:"),
            "pixd:run": key,
        },
    }
