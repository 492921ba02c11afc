"""The translator's decoder processes: one image at a time each, and not a thread but a border.

Each is a `pixd.decoder` with bounded memory and time. When one dies, the image that it had is
to blame and no other, and another process takes its place; nothing else is asked again.
"""

from __future__ import annotations

import contextlib
import json
import queue
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pixd import confinement
from pixd.errors import ADVICE_DISK, DiskError, ImageRejectedError, PixdError

ANSWER_WITHIN_S: Final = 300.0
"""On the clock. Processor time is bounded at a tenth of it, so that only a decoder which is
stopped or waits for a dead disk takes so long."""
END_WITHIN_S: Final = 5.0

Pixels = Any  # NDArray[np.uint8]; numpy is imported late here


class DecoderDiedError(PixdError):
    """A decoder ended, and not by its image: the image may be asked for again."""


class Decoder:
    """One decoder process, started anew where it died. For one thread at a time."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = _start()

    def decode(self, image: str, size: int, fit: str) -> tuple[Pixels, Any]:
        """Decode an image and bring it to the model's square.

        Args:
            image: path of the object's file.
            size: side of the square, pixels.
            fit: "pad", "crop" or "stretch".

        Returns:
            uint8 (size, size, 3), RGB, and the `pixd.images.Framing`.

        Raises:
            ImageRejectedError: it is no picture that pixd takes, or it ended the decoder.
            DecoderDiedError: the decoder ended and the image is not known to be to blame.
            DiskError: the disk refuses to give it.
            PixdError: it cannot be read.
        """
        import numpy as np

        from pixd import images

        event, data = self._answer({"image": image, "size": size, "fit": fit})
        pixels = np.frombuffer(data, np.uint8).reshape(size, size, 3)
        left, top, right, bottom = event["box"]
        box = (left, top, right, bottom)
        return pixels, images.Framing(event["width"], event["height"], size, fit, box)

    def lightness(self, image: str) -> Pixels:
        """Decode an image to its lightness at its own size.

        Args:
            image: path of the object's file.

        Returns:
            uint8 (height, width), see `pixd.lab.grey_of`.

        Raises:
            As `decode`.
        """
        import numpy as np

        event, data = self._answer({"image": image, "size": None, "fit": ""})
        return np.frombuffer(data, np.uint8).reshape(event["height"], event["width"])

    def _answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Ask, and turn every answer but the wanted one into the error that it is."""
        if self._process.poll() is not None:  # while it had nothing to do: nobody's fault
            self._replace()
        try:
            event, data = self._ask(request)
        except (OSError, ValueError) as error:
            raise self._died() from error
        if event["event"] == "rejected":
            raise ImageRejectedError(event["reason"])
        if event.get("kind") == "disk":
            raise DiskError(event["reason"], advice=ADVICE_DISK)
        if event["event"] != "done":
            raise PixdError(event["reason"], advice="`pixd verify` re-hashes what is kept")
        return event, data

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        process = self._process
        assert process.stdin is not None  # Popen was given PIPE
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], ANSWER_WITHIN_S)[0]:
            raise TimeoutError
        event: dict[str, Any] = json.loads(process.stdout.readline())
        length = int(event["bytes"]) if event["event"] == "done" else 0
        data = process.stdout.read(length) if length else b""
        if len(data) < length:
            raise EOFError
        return event, data

    def _died(self) -> PixdError:
        """Put another process in its place and return what the image is to be told."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(END_WITHIN_S)
            self._replace()
            if why := confinement.blame(code):
                return ImageRejectedError(why)
            return DecoderDiedError(f"the decoder ended with exit code {code} while it read this")
        self._replace()
        return DecoderDiedError(f"the decoder did not answer within {ANSWER_WITHIN_S:.0f} s")

    def _replace(self) -> None:
        self.close()
        self._process = _start()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class Decoders:
    """As many decoders as threads ask for one, so that none ever waits for another's image."""

    def __init__(self, count: int) -> None:
        """Start `count` processes, beside what else takes time at the start."""
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(Decoder())

    def decode(self, image: str, size: int, fit: str) -> tuple[Pixels, Any]:
        """Decode with whichever is idle, or wait for one; see `Decoder.decode`."""
        with self._one() as decoder:
            return decoder.decode(image, size, fit)

    def lightness(self, image: str) -> Pixels:
        """Decode with whichever is idle, or wait for one; see `Decoder.lightness`."""
        with self._one() as decoder:
            return decoder.lightness(image)

    @contextlib.contextmanager
    def _one(self) -> Iterator[Decoder]:
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)


def _start() -> subprocess.Popen[bytes]:
    # The kernel ends a decoder with the thread that started it (`libc.die_with_parent`): the
    # threads here live as long as the translator does.
    command: Sequence[str] = [sys.executable, "-m", "pixd.decoder"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
