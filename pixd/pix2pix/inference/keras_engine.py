"""The engine that runs a model with Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixd.pix2pix.inference.engine import ModelSpec
from pixd.pix2pix.inference.sampling import make_sampling
from pixd.pix2pix.network import hardware
from pixd.pix2pix.network.generator import Pixels, image_size_of, load_generator, make_generate
from pixd.pix2pix.network.model_folder import check_files, read_card


class KerasEngine:
    """A generator as the `Engine` of a translator."""

    def __init__(self, spec: ModelSpec) -> None:
        """Load the model of a spec.

        Raises:
            PixdError: there is no such device or precision, or the model is damaged or cannot be
                loaded.
        """
        device = hardware.choose_device(spec.device)
        policy = hardware.choose_policy(spec.precision, device)
        folder = Path(spec.model)
        check_files(folder, spec.files)
        generator = load_generator(folder, policy)
        self.card: Mapping[str, Any] = read_card(folder)
        self.size = image_size_of(generator)
        self.environment: Mapping[str, Any] = hardware.describe_environment(device, policy)
        self.largest: int | None = None
        self._network: Any = (
            make_sampling(generator) if spec.drops_out else make_generate(generator)
        )

    def __call__(self, images: Sequence[Any]) -> list[Pixels]:
        """Translate images; see `Engine`."""
        return self.pixels(self.values(images), images)

    def values(self, images: Sequence[Any], *, apart: bool = False) -> Any:
        """Return what the network computes; see `Engine`."""
        return self._network.values(images, apart=apart)

    def pixels(self, values: Any, images: Sequence[Any]) -> list[Pixels]:
        """Return the images of such values; see `Engine`."""
        found: list[Pixels] = self._network.pixels(values, images)
        return found
