"""The translator's decoder processes. A bad file can crash one of them, and not the translator.

Each takes one image at a time. Each is a `pixd.images.decoder_child` with bounded memory and time. When one dies, the image that it had is
to blame and no other, and another process takes its place; nothing else is asked again.
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


class LargeImage(Exception):  # noqa: N818 - another way for it, not an error
    """An image has more tiles than are wanted; it was not decoded."""


class Square(NamedTuple):
    """An image as the model takes it.

    Attributes:
        pixels: uint8 (size, size, 3), RGB.
        framing: the `pixd.images.fitting.Framing`.
        has_alpha: whether the image has transparency; it lies over white here.
    """

    pixels: Pixels
    framing: Any
    has_alpha: bool


class Rows(NamedTuple):
    """A whole image, to be read from top to bottom.

    Attributes:
        width: pixels.
        height: pixels.
        channels: 3, or 4 with the alpha; the colours lie over white in any case.
        read: returns the next so many rows, uint8 (rows, width, channels).
    """

    width: int
    height: int
    channels: int
    read: Callable[[int], Pixels]


class Decoder:
    """One decoder process, started anew where it died. For one thread at a time.

    Every method raises ImageRejectedError where it is no picture that pixd takes, or ended the
    decoder; ChildDiedError where the decoder ended and the image is not known to be to blame;
    DiskError where the disk refuses to give it; and PixdError where it cannot be read.
    """

    def __init__(self, megapixels: int) -> None:
        """Start the process.

        Args:
            megapixels: of the largest image that is taken.
        """
        # The kernel ends a decoder with the thread that started it (`libc.die_with_parent`): the
        # threads here live as long as the translator does.
        self._child = ConfinedChild(
            _DECODER, DecodeSpec(max_megapixels=megapixels), megapixels=megapixels
        )

    def square(self, image: str, size: int, fit: str) -> Square:
        """Decode an image and bring it to the model's square.

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
        return Square(pixels, framing, event["has_alpha"])

    def lightness(self, image: str) -> Pixels:
        """Decode an image to its lightness at its own size.

        Args:
            image: path of the object's file.

        Returns:
            uint8 (height, width), see `pixd.images.lab.grey_of`.
        """
        return self._plane({"image": image, "want": "lightness"})

    def alpha(self, image: str, size: int | None, fit: str) -> Pixels:
        """Decode how opaque an output is to be.

        Args:
            image: path of the object's file.
            size: side of the model's square where the output is that; None for the source's size.
            fit: "pad", "crop" or "stretch".

        Returns:
            uint8 (height, width).
        """
        return self._plane({"image": image, "want": "alpha", "size": size, "fit": fit})

    @contextlib.contextmanager
    def rows(self, image: str, size: int, most: int | None, *, alpha: bool) -> Iterator[Rows]:
        """Decode an image to be read row by row; what was not read at the end is dropped.

        Args:
            image: path of the object's file.
            size: side of a tile, pixels.
            most: so many tiles at most; None for any number.
            alpha: whether its transparency is wanted too.

        Raises:
            LargeImage: it has more tiles than `most`; and as the others.
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
            yield Rows(width, height, channels, read)
        finally:
            if left:  # it waits for somebody to read on; what comes next must be another's
                self._child.start_anew()

    def _plane(self, request: dict[str, Any]) -> Pixels:
        import numpy as np

        event, data = self._answer(request)
        return np.frombuffer(data, np.uint8).reshape(event["height"], event["width"])

    def _answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        event = self._event(request)
        return event, self._child.body(int(event["bytes"]))

    def _event(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask, and turn every answer but the wanted one into the error that it is."""
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
    """As many decoders as threads ask for one, so that none ever waits for another's image."""

    def __init__(self, count: int, megapixels: int) -> None:
        """Start `count` processes, beside what else takes time at the start.

        Args:
            count: of processes.
            megapixels: of the largest image that is taken.
        """
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(Decoder(megapixels))

    @contextlib.contextmanager
    def one(self) -> Iterator[Decoder]:
        """Give whichever is idle, or wait for one."""
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)
