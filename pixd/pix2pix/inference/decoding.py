"""Decoding runs in other processes, so that a bad file cannot crash the translator.

Each process is a `pixd.images.decoder_child`. It has limited memory and time, and takes one image
at a time. So if one dies, only its own image can be to blame, and no other image is asked for
again. Another process takes its place.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pixd.pix2pix.inference.engine import Pixels
from pixd.system.children.confined_child import ConfinedChild
from pixd.system.children.spec import DecodeSpec
from pixd.system.errors import ADVICE_DISK, DiskError, ImageRejectedError, PixdError

_DECODER: Final = "pixd.images.decoder_child"


class LargeImage(Exception):  # noqa: N818 - not an error: the image is translated another way
    """An image has more tiles than the caller wants; it was not decoded."""


class Square(NamedTuple):
    """An image as the model takes it.

    Attributes:
        pixels: uint8 (size, size, 3), RGB.
        framing: the `pixd.images.fitting.Framing`.
        has_alpha: whether the image has transparency; `pixels` shows it over white.
        values: which values its file uses, where they are odd (`pixd.images.value_use`).
    """

    pixels: Pixels
    framing: Any
    has_alpha: bool
    values: dict[str, Any] | None = None


class Rows(NamedTuple):
    """A whole image, which is read from top to bottom.

    Attributes:
        width: pixels.
        height: pixels.
        channels: 3, or 4 with the alpha. The colours are over white in both cases.
        read: returns the next rows, as many as asked for, uint8 (rows, width, channels).
        values: as for `Square`.
    """

    width: int
    height: int
    channels: int
    read: Callable[[int], Pixels]
    values: dict[str, Any] | None = None


class Decoder:
    """One decoder process, started again if it ended. Only one thread may use it at a time.

    Every method raises ImageRejectedError if the image is not one that pixd accepts, or ended the
    decoder. It raises ChildDiedError if the decoder ended and the image may not be to blame,
    DiskError if the disk refuses to read it, and PixdError if it cannot be read.
    """

    def __init__(self, spec: DecodeSpec) -> None:
        """Start the process; `spec` says how it reads images."""
        # The kernel ends a decoder with the thread that started it (`libc.die_with_parent`). The
        # threads here run as long as the translator does.
        self._child = ConfinedChild(_DECODER, spec, megapixels=spec.max_megapixels)

    def square(self, image: str, size: int, fit: str) -> Square:
        """Decode an image and fit it to the model's square.

        Args:
            image: path of the object's file.
            size: side of the square, pixels.
            fit: "pad", "crop" or "stretch".
        """
        import numpy as np

        from pixd.images import fitting

        event, data = self._answer({"image": image, "want": "square", "size": size, "fit": fit})
        pixels = np.frombuffer(data, np.uint8).reshape(size, size, 3)
        left, top, right, bottom = event["box"]
        box = (left, top, right, bottom)
        framing = fitting.Framing(event["width"], event["height"], size, fit, box)
        return Square(pixels, framing, event["has_alpha"], event["values"])

    def lightness(self, image: str) -> Pixels:
        """Decode an image to its lightness at its own size.

        Args:
            image: path of the object's file.

        Returns:
            uint8 (height, width), see `pixd.images.lab.grey_of`.
        """
        return self._plane({"image": image, "want": "lightness"})

    def alpha(self, image: str, size: int | None, fit: str) -> Pixels:
        """Decode how opaque an output should be.

        Args:
            image: path of the object's file.
            size: side of the model's square if the output has that size; None for the source's.
            fit: "pad", "crop" or "stretch".

        Returns:
            uint8 (height, width).
        """
        return self._plane({"image": image, "want": "alpha", "size": size, "fit": fit})

    @contextlib.contextmanager
    def rows(self, image: str, size: int, most: int | None, *, alpha: bool) -> Iterator[Rows]:
        """Decode an image for reading row by row; rows that were not read at the end are dropped.

        Args:
            image: path of the object's file.
            size: side of a tile, pixels.
            most: the largest number of tiles; None for any number.
            alpha: whether its transparency is wanted too.

        Raises:
            LargeImage: it has more tiles than `most`. It also raises what the others raise.
        """
        import numpy as np

        request = {"image": image, "want": "rows", "size": size, "most": most, "alpha": alpha}
        event = self._event(request)
        if event["event"] == "large":
            raise LargeImage
        width, height, channels = event["width"], event["height"], event["channels"]
        left = height

        def read(count: int) -> Pixels:
            nonlocal left
            data = self._child.body(count * width * channels)
            left -= count
            return np.frombuffer(data, np.uint8).reshape(count, width, channels)

        try:
            yield Rows(width, height, channels, read, event["values"])
        finally:
            if left:  # the child waits until these are read: the next image needs another one
                self._child.start_anew()

    def _plane(self, request: dict[str, Any]) -> Pixels:
        import numpy as np

        event, data = self._answer(request)
        return np.frombuffer(data, np.uint8).reshape(event["height"], event["width"])

    def _answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        event = self._event(request)
        return event, self._child.body(int(event["bytes"]))

    def _event(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask, and raise an error for every answer but the wanted one."""
        event = self._child.event(request)
        if event["event"] == "rejected":
            raise ImageRejectedError(event["reason"])
        if event.get("kind") == "disk":
            raise DiskError(event["reason"], advice=ADVICE_DISK)
        if event["event"] not in {"done", "large"}:
            raise PixdError(event["reason"], advice="`pixd verify` re-hashes what is kept")
        return event

    def close(self) -> None:
        """End the process."""
        self._child.close()


class Decoders:
    """As many decoders as threads use one, so that no thread waits for another thread's image."""

    def __init__(self, count: int, spec: DecodeSpec) -> None:
        """Start `count` processes, at the same time as other slow work of the start.

        Args:
            count: number of processes.
            spec: how they read images.
        """
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(Decoder(spec))

    @contextlib.contextmanager
    def one(self) -> Iterator[Decoder]:
        """Give an idle decoder, or wait for one."""
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)
