"""What a translation needs from a model: an engine that runs it. Imports no library that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Pixels = Any  # NDArray[np.uint8]; numpy is imported late here


class Noisy(NamedTuple):
    """A square that is translated with dropout.

    Attributes:
        pixels: (size, size, 3) uint8, RGB.
        noise: what is dropped follows from these bytes, and from nothing else.
    """

    pixels: Pixels
    noise: bytes


class ModelSpec(Protocol):
    """What the spec of a child says of the model that it runs."""

    @property
    def model(self) -> str:
        """The model's folder."""

    @property
    def files(self) -> Mapping[str, str]:
        """Digest of each file in it, by name."""

    @property
    def device(self) -> str:
        """One of "auto", "gpu" and "cpu"."""

    @property
    def precision(self) -> str:
        """The word "auto" or a Keras dtype policy."""

    @property
    def drops_out(self) -> bool:
        """Whether dropout is on."""


class Engine(Protocol):
    """A model, loaded and ready to run.

    The same image gives the same bytes, whatever else is in the batch; if not, `largest` is 1.
    `pixd.pix2pix.inference.batching` finds out whether that is so.
    """

    @property
    def size(self) -> int:
        """Side in pixels of its input and output squares."""

    @property
    def card(self) -> Mapping[str, Any]:
        """The model card: how the model was trained, and what its inputs and outputs are."""

    @property
    def largest(self) -> int | None:
        """The largest number of images that it takes at once; None for any number."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """The device and versions that it runs on, with ``device`` and ``device_name``."""

    def __call__(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate (size, size, 3) uint8 RGB images; return as many of the same shape.

        If the recipe says `sample`, each image is a `Noisy`.
        """

    def values(self, images: Sequence[Pixels], *, apart: bool = False) -> Any:
        """Return what the network computes, as an array by image, before it is rounded.

        Args:
            images: at most `largest`.
            apart: compute in a way that is slower and less likely to depend on how many there are.
        """

    def pixels(self, values: Any, images: Sequence[Pixels]) -> list[Pixels]:
        """Return the outputs that such values mean. A call is `values` and then this."""
