"""The translator worker: ``python -m pixd.pix2pix.translator SPEC.json``; kept warm by the service.

Requests come as JSON lines on stdin, answers go out in any order. Decoding (in processes of
its own, see `pixd.pix2pix.decoding`), inference and encoding overlap; the images that wait when
the network is free are translated together, and a lone one is never delayed to fill a batch.

Same input, same bytes, whatever else is in the batch: the network has instance statistics
only, so nothing mixes images; what could still differ is the order in which a kernel adds.
On x86 with oneDNN batches of 1 to 8 were found bit-equal to single images at ngf 64, in
float32 and in bfloat16, and a batch of eight takes 0.55 of the time an image. That is
measured, not assumed: batches have a size of 1, 2, 4, 8, ..., and the first time that a size
is used each of its images is also translated alone. A size whose bytes differ is never used
again, and the parent gets a note.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pixd import durable
from pixd.errors import ImageRejectedError
from pixd.pix2pix import hardware, runtime
from pixd.pix2pix.decoding import Decoders
from pixd.pix2pix.runtime import HEARTBEAT_S, Events, Spec

DECODERS: Final = 2
BATCHES_DECODED: Final = 3  # decoded and not yet encoded, in batches: bounds the memory

Pixels = Any  # NDArray[np.uint8]; numpy is imported late here
Generate = Callable[[Sequence[Pixels]], list[Pixels]]

_log = logging.getLogger(__name__)


@dataclass
class Request:
    """One image on its way through the stages."""

    id: int
    image: str
    out: str
    text: dict[str, str]
    pixels: Pixels = None
    framing: Any = None
    ms: dict[str, float] = field(default_factory=dict)


class Batcher:
    """Runs the network on as many images at once as may be, with the bytes they have alone."""

    def __init__(self, generate: Generate, largest: int, note: Callable[[str], None]) -> None:
        """Batch up to `largest` images.

        Args:
            generate: translates a batch.
            largest: the configured batch.
            note: tells the parent something that a person may want to know.
        """
        self._generate = generate
        self._note = note
        self._proven = {1}
        self._refused: set[int] = set()
        self.largest = 1
        while self.largest * 2 <= largest:
            self.largest *= 2

    def size_for(self, waiting: int) -> int:
        """Return how many of `waiting` images (at least 1) to take now."""
        size = self.largest
        while size > 1 and (size > waiting or size in self._refused):
            size //= 2
        return size

    def __call__(self, inputs: Sequence[Pixels]) -> list[Pixels]:
        """Translate images, `size_for` of them.

        Raises:
            Exception: the network failed; ResourceExhaustedError only for a single image.
        """
        try:
            outputs = self._generate(inputs)
        except Exception as error:
            if runtime.describe_error(error)["kind"] != "out-of-memory" or len(inputs) == 1:
                raise
            self.largest = max(1, len(inputs) // 2)
            self._note(f"out of memory: translating at most {self.largest} images at once now")
            outputs = []
            while len(outputs) < len(inputs):  # `largest` may shrink again on the way
                outputs += self(inputs[len(outputs) :][: self.largest])
            return outputs
        if len(inputs) in self._proven:
            return outputs
        alone = [self._generate([pixels])[0] for pixels in inputs]
        if all(bool((one == other).all()) for one, other in zip(outputs, alone, strict=True)):
            self._proven.add(len(inputs))
        else:
            self._refused.add(len(inputs))
            self._note(f"batches of {len(inputs)} change the result here and are not used")
        return alone


class Translator:
    """The stages and their queues."""

    def __init__(
        self, decoders: Decoders, batcher: Batcher, recipe: dict[str, Any], events: Events
    ) -> None:
        """Translate through `batcher` by the spec's `recipe`; answers go to `events`."""
        self._batcher, self._recipe, self._events = batcher, recipe, events
        self._decoders = decoders
        self._pairs: str | None = recipe.get("pairs")  # only where inputs are made of what comes
        self._keeps_lightness = self._pairs == "colorization" and recipe["output_size"] == "source"
        self._decoded: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._room = threading.Semaphore(BATCHES_DECODED * max(batcher.largest, 1))
        self._decoding = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encode")

    def accept(self, line: str) -> None:
        """Take one request line; returns at once."""
        asked = json.loads(line)
        self._decoding.submit(
            self._decode, Request(asked["id"], asked["image"], asked["out"], asked["text"])
        )

    def run(self) -> None:
        """Translate what is decoded, for ever: the end of stdin ends the process."""
        while True:
            try:
                requests = [self._decoded.get(timeout=HEARTBEAT_S)]
            except queue.Empty:
                self._events.beat()
                continue
            while len(requests) < self._batcher.size_for(len(requests) + self._decoded.qsize()):
                requests.append(self._decoded.get())
            self._infer(requests)
            self._events.beat()

    def _decode(self, request: Request) -> None:
        self._room.acquire()
        from pixd import input_makers

        durable.crash_point("decode")
        started = time.perf_counter()
        try:
            size, fit = int(self._recipe["image_size"]), self._recipe["fit"]
            pixels, request.framing = self._decoders.decode(request.image, size, fit)
            request.pixels = input_makers.input_for_translation(pixels, self._pairs)
        except ImageRejectedError as error:
            self._answer(request, "rejected", reason=error.message)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._fail(request, error)
        else:
            request.ms["decode"] = _ms_since(started)
            self._decoded.put(request)

    def _infer(self, requests: list[Request]) -> None:
        durable.crash_point("infer")
        started = time.perf_counter()
        try:
            outputs = self._batcher([request.pixels for request in requests])
        except Exception as error:  # noqa: BLE001 - the next batch may fare better
            for request in requests:
                self._fail(request, error)
            return
        ms = _ms_since(started) / len(requests)
        for request, output in zip(requests, outputs, strict=True):
            request.ms["infer"] = ms
            self._encoding.submit(self._encode, request, output)

    def _encode(self, request: Request, output: Pixels) -> None:
        from pixd import images

        started = time.perf_counter()
        try:
            image = images.from_model(output, request.framing, self._recipe["output_size"])
            if self._keeps_lightness:
                # Decoded again, not kept from before: a whole picture may be 64 megapixels, and
                # dozens wait between decoding and this. Only one is here at a time.
                grey = self._decoders.lightness(request.image)
                image = images.recoloured(image, grey, request.framing)
            data = images.encode_png(image, request.text)
            Path(request.out).write_bytes(data)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._fail(request, error)
            return
        request.ms["encode"] = _ms_since(started)
        self._answer(
            request,
            "done",
            sha256="sha256:" + hashlib.sha256(data).hexdigest(),
            size=len(data),
            width=image.width,
            height=image.height,
            ms=request.ms,
        )

    def _fail(self, request: Request, error: Exception) -> None:
        _log.error("request %s failed", request.id, exc_info=error)
        described = runtime.describe_error(error)
        self._answer(request, "failed", kind=described["kind"], reason=described["message"])

    def _answer(self, request: Request, event: str, **fields: Any) -> None:
        self._room.release()
        self._events.send(event, id=request.id, **fields)


def main() -> int:
    """Load the model, say ready, and translate until stdin ends; return the exit code."""
    events = runtime.claim_stdout()
    runtime.die_with_parent(leave_at_eof=True, stdin_fd=-1)
    spec = runtime.read_spec(sys.argv[1:], "translate")
    try:
        translator = start(spec, events)
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("the translator cannot start")
        described = runtime.describe_error(error)
        runtime.write_result(spec, state="failed", error=described)
        events.send("note", message=described["message"])
        return 1
    threading.Thread(target=_read_requests, args=(translator,), daemon=True).start()
    translator.run()
    return 0


def start(spec: Spec, events: Events) -> Translator:
    """Import TensorFlow, load the model, translate one grey image, and say ready.

    Raises:
        PixdError: no such device or precision, or the model cannot be loaded.
    """
    decoders = Decoders(DECODERS)
    events.phase("importing TensorFlow")
    from pixd.pix2pix import generation

    events.phase("building the model")
    recipe = dict(spec["recipe"])
    device = hardware.choose_device(spec["device"])
    policy = hardware.choose_policy(spec["precision"], device)
    generation.check_files(Path(spec["model"]), spec["files"])
    generator = generation.load_generator(Path(spec["model"]), policy)
    generate, largest = generation.make_generate(generator), int(spec["batch"])
    if recipe["sample"]:
        generate, largest = generation.make_sampling(generator, int(recipe["seed"])), 1

    events.phase("compiling the first step")
    generate([generation.grey_image(generator)])
    batcher = Batcher(generate, largest, lambda message: events.send("note", message=message))
    environment = hardware.describe_environment(device, policy)
    events.send("ready", device=device.kind, device_name=device.name, environment=environment)
    return Translator(decoders, batcher, recipe, events)


def _read_requests(translator: Translator) -> None:
    try:
        for line in sys.stdin:
            translator.accept(line)
    finally:
        # The parent is gone or wants us to end: finish nothing more, and wait for no thread.
        os._exit(0)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


if __name__ == "__main__":
    sys.exit(main())
