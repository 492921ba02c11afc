"""A generator as a model folder keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixd.pix2pix.network.model_folder import GENERATOR_FILE


def kept(generator: Any, folder: Path) -> Any:
    """Save a Keras generator into a folder, and return it as its file holds it."""
    from pixd.pix2pix.network import keras_file, models, stored

    folder.mkdir(parents=True, exist_ok=True)
    keras_file.save(models.for_saving(generator), folder / GENERATOR_FILE)
    return stored.read(folder / GENERATOR_FILE)
