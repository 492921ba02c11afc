"""What a translation needs of a model: an engine that runs it. Knows no library that does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Pixels = Any  # NDArray[np.uint8]; numpy is imported late here


class Engine(Protocol):
    """A model, loaded and ready to run.

    The same image gives the same bytes, whatever else is in the batch; or `largest` is 1. What
    that costs to find out is the business of `pixd.pix2pix.inference.batching`.
    """

    @property
    def size(self) -> int:
        """Side in pixels of the squares that it takes and gives."""

    @property
    def card(self) -> Mapping[str, Any]:
        """The model card: how the model was trained, and what it takes and gives."""

    @property
    def largest(self) -> int | None:
        """How many images it takes at once at most; None for any number."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """The device and versions that it runs on; ``device`` and ``device_name`` among them."""

    def __call__(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Translate (size, size, 3) uint8 RGB images to as many of the same shape."""
