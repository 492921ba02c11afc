"""The translator worker: ``python -m pixd.pix2pix.translator SPEC.json``.

The service keeps it running between images.
Requests come as JSON lines on stdin, and answers go out in any order. Decoding (in processes of
its own, see `pixd.pix2pix.inference.decoding`), inference and encoding run at the same time. The
images that wait when the network is free are translated together
(`pixd.pix2pix.inference.batching`); a single image never waits for others to fill a batch.

With `fit: tile` an image is translated in tiles (`pixd.pix2pix.inference.tiled`). An image of many
tiles has a thread, a decoder and a lane of its own, so that small images need not wait for it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from pixd.config.pair_kinds import keeps_lightness
from pixd.config.value_range import are_ids_in, bits_in
from pixd.pix2pix.inference import engines, tiled
from pixd.pix2pix.inference.batching import Batcher, Lanes, Square
from pixd.pix2pix.inference.decoding import Decoder, Decoders, LargeImage, Rows
from pixd.pix2pix.inference.engine import Noisy, Pixels
from pixd.system import crash_points
from pixd.system.children import child, task
from pixd.system.children.child import HEARTBEAT_S, Events
from pixd.system.children.spec import DecodeSpec, TranslateSpec
from pixd.system.digests import digest_of
from pixd.system.errors import ImageRejectedError

DECODERS: Final = 2
BATCHES_DECODED: Final = 3  # batches that are decoded and not yet encoded: limits the memory
MOST_TILES: Final = 16
"""An image of more tiles is large: it is not decoded as a whole, and only one large image is
translated at a time, because one keeps the network busy."""

_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """One output: its file, its text chunks, and the noise of its dropout, None for no dropout."""

    out: str
    text: dict[str, str]
    noise: bytes | None


@dataclass
class Request:
    """One image on its way through the stages, and the outputs that are wanted of it.

    Attributes:
        made: digest, size and times of each output that is finished, by its place in `wanted`.
    """

    id: int
    image: str
    wanted: list[Wanted]
    has_many: bool
    framing: Any = None
    has_alpha: bool = False
    values: dict[str, Any] | None = None
    room: int = 0
    is_answered: bool = False
    decode_ms: float = 0.0
    made: dict[int, dict[str, Any]] = field(default_factory=dict)


class Translator:
    """The stages and their queues."""

    def __init__(
        self,
        decoders: Decoders,
        batcher: Batcher,
        recipe: Mapping[str, Any],
        events: Events,
        reading: DecodeSpec,
    ) -> None:
        """Translate with `batcher` and the spec's `recipe`; answers go to `events`.

        `reading` says how decoders read images.
        """
        self._batcher, self._recipe, self._events = batcher, recipe, events
        self._decoders, self._reading = decoders, reading
        self._size, self._fit = int(recipe["image_size"]), str(recipe["fit"])
        self._pairs: str | None = recipe.get("pairs")  # only if inputs are made from the images
        self._keeps_lightness = keeps_lightness(self._pairs) and recipe["output_size"] == "source"
        self._keeps_alpha = recipe.get("alpha") == "keep"
        self._lanes = Lanes()
        self._most = BATCHES_DECODED * max(batcher.largest, 1)
        self._room = threading.Semaphore(self._most)
        self._entering = threading.Lock()
        self._decoding = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._tiling = ThreadPoolExecutor(batcher.largest, thread_name_prefix="tile")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._large_decoder: Decoder | None = None  # started for the first large image
        self._answering = threading.Lock()

    def accept(self, line: str) -> None:
        """Take one request line; returns at once."""
        asked = json.loads(line)
        several = asked.get("samples")
        wanted = [
            Wanted(one["out"], one["text"], self._noise(asked, one)) for one in several or [asked]
        ]
        request = Request(asked["id"], asked["image"], wanted, has_many=bool(several))
        self._decoding.submit(self._decode_tiles if self._fit == "tile" else self._decode, request)

    def _noise(self, asked: Mapping[str, Any], one: Mapping[str, Any]) -> bytes | None:
        """Return what an output's dropout follows from: the seed, its number, the input's digest."""
        if not self._recipe["sample"]:
            return None
        said = (self._recipe["seed"], one.get("number", 1), asked.get("digest", ""))
        return "/".join(map(str, said)).encode()

    def run(self) -> None:
        """Translate decoded images for ever; the end of stdin ends the process."""
        while True:
            squares = self._lanes.take(self._batcher.size_for, HEARTBEAT_S)
            if squares:
                self._infer(squares)
            self._events.beat()

    # -- an image as one square ---------------------------------------------------------

    def _decode(self, request: Request) -> None:
        self._enter(request)
        from pixd.images import input_makers

        started = time.perf_counter()
        try:
            with self._decoders.one() as decoder:
                decoded = decoder.square(request.image, self._size, self._fit)
            request.framing, request.has_alpha = decoded.framing, decoded.has_alpha
            request.values = decoded.values
            pixels = input_makers.input_for_translation(decoded.pixels, self._pairs)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._turn_down(request, error)
        else:
            request.decode_ms = _ms_since(started)
            for at, wanted in enumerate(request.wanted):
                image = pixels if wanted.noise is None else Noisy(pixels, wanted.noise)
                self._lanes.put(self._square(request, at, image), is_large=False)

    def _square(self, request: Request, at: int, image: Any) -> Square:
        def deliver(output: Pixels, ms: float) -> None:
            self._encoding.submit(self._encode, request, at, output, ms)

        return Square(image, deliver, lambda error: self._fail(request, error))

    def _infer(self, squares: list[Square]) -> None:
        crash_points.crash_point("infer")
        started = time.perf_counter()
        try:
            outputs = self._batcher([square.pixels for square in squares])
        except Exception as error:  # noqa: BLE001 - the next batch may succeed
            for square in squares:
                square.fail(error)
            return
        ms = _ms_since(started) / len(squares)
        for square, output in zip(squares, outputs, strict=True):
            square.deliver(output, ms)

    def _encode(self, request: Request, at: int, output: Pixels, infer_ms: float) -> None:
        from pixd.images import fitting, png

        started = time.perf_counter()
        try:
            is_source = self._recipe["output_size"] == "source"
            image = fitting.from_model(output, request.framing, self._recipe["output_size"])
            # Decode it again instead of keeping it: a whole picture may have 64 megapixels, and
            # dozens wait between decoding and this point. Only one is here at a time.
            if self._keeps_lightness:
                with self._decoders.one() as decoder:
                    grey = decoder.lightness(request.image)
                image = fitting.recoloured(image, grey, request.framing)
            if self._keeps_alpha and request.has_alpha:
                with self._decoders.one() as decoder:
                    size = None if is_source else self._size
                    alpha = decoder.alpha(request.image, size, self._fit)
                image = fitting.with_alpha(image, alpha)
            data = png.encode_png(image, request.wanted[at].text)
            Path(request.wanted[at].out).write_bytes(data)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._fail(request, error)
            return
        ms = {"infer": infer_ms, "encode": _ms_since(started)}
        if at == 0:
            ms["decode"] = request.decode_ms
        request.made[at] = {"sha256": digest_of(data), "size": len(data), "ms": ms}
        if len(request.made) == len(request.wanted):
            self._done(request, image.width, image.height, request.values)

    # -- an image in tiles --------------------------------------------------------------

    def _decode_tiles(self, request: Request) -> None:
        self._enter(request)
        started = time.perf_counter()
        try:
            with (
                self._decoders.one() as decoder,
                decoder.rows(
                    request.image, self._size, MOST_TILES, alpha=self._keeps_alpha
                ) as rows,
            ):
                whole = rows.read(rows.height)
        except LargeImage:
            self._leave(request)  # while it waits it takes no place of a small one
            self._large.submit(self._decode_large, request)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._turn_down(request, error)
        else:
            request.decode_ms = _ms_since(started)
            self._tiling.submit(self._tile_all, request, rows, whole)

    def _decode_large(self, request: Request) -> None:
        self._large_decoder = self._large_decoder or Decoder(self._reading)
        try:
            for at in range(len(request.wanted)):  # each is decoded anew: no memory holds it
                with self._large_decoder.rows(
                    request.image, self._size, None, alpha=self._keeps_alpha
                ) as rows:
                    self._tile(request, at, rows, is_large=True)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._turn_down(request, error)
        else:
            self._done(request, rows.width, rows.height, rows.values)

    def _tile_all(self, request: Request, rows: Rows, whole: Pixels) -> None:
        try:
            for at in range(len(request.wanted)):
                small = rows._replace(read=tiled.reader_of(whole))
                self._tile(request, at, small, is_large=False)
        except Exception as error:  # noqa: BLE001 - one image never ends the translator
            self._turn_down(request, error)
        else:
            self._done(request, rows.width, rows.height, rows.values)

    def _tile(self, request: Request, at: int, rows: Rows, *, is_large: bool) -> None:
        wanted, many = request.wanted[at], len(request.wanted)
        made = tiled.translate(
            rows,
            Path(wanted.out),
            wanted.text,
            size=self._size,
            pairs=self._pairs,
            put=lambda square: self._lanes.put(square, is_large=is_large),
            at_once=2 * self._batcher.largest,  # one batch in the network, one ready
            told=lambda tiles, of: self._events.send(
                "progress", id=request.id, done=at * of + tiles, of=many * of
            ),
            noise=wanted.noise,
        )
        ms = {**made.ms, "decode": made.ms["decode"] + (0.0 if at else request.decode_ms)}
        request.made[at] = {"sha256": made.sha256, "size": made.size, "ms": ms}

    # -- answers ------------------------------------------------------------------------

    def _enter(self, request: Request) -> None:
        """Wait for room for every output of an image: each is a square in memory."""
        with self._entering:  # else two images might wait for each other's room
            for _ in range(min(len(request.wanted), self._most)):
                self._room.acquire()
                request.room += 1
        crash_points.crash_point("decode")

    def _leave(self, request: Request) -> None:
        if request.room:
            self._room.release(request.room)
            request.room = 0

    def _turn_down(self, request: Request, error: Exception) -> None:
        """Answer for an image that could not be read: whether it is to blame or not."""
        if isinstance(error, ImageRejectedError):
            self._answer(request, "rejected", reason=error.message)
        else:
            self._fail(request, error)

    def _fail(self, request: Request, error: Exception) -> None:
        _log.error("request %s failed", request.id, exc_info=error)
        described = task.describe_error(error)
        self._answer(request, "failed", kind=described["kind"], reason=described["message"])

    def _done(self, request: Request, width: int, height: int, values: Any) -> None:
        made = [request.made[at] for at in range(len(request.wanted))]
        told = {"samples": made} if request.has_many else made[0]
        self._answer(request, "done", width=width, height=height, values=values, **told)

    def _answer(self, request: Request, event: str, **fields: Any) -> None:
        with self._answering:  # of several outputs, two may fail at once
            if request.is_answered:
                return
            request.is_answered = True
        self._leave(request)
        self._events.send(event, id=request.id, **fields)


def main() -> int:
    """Load the model, send ``ready``, and translate until stdin ends; return the exit code."""
    spec, events = child.begin(TranslateSpec, stdin_fd=-1)
    try:
        translator = start(spec, events)
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("the translator cannot start")
        described = task.describe_error(error)
        task.write_result(spec, state="failed", error=described)
        events.send("note", message=described["message"])
        return 1
    threading.Thread(target=_read_requests, args=(translator,), daemon=True).start()
    translator.run()
    return 0


def start(spec: TranslateSpec, events: Events) -> Translator:
    """Load the model, translate one grey image, and send ``ready``.

    Raises:
        PixdError: there is no such device or precision, or the model cannot be loaded.
    """
    reading = DecodeSpec(
        max_megapixels=spec.max_megapixels,
        bits=bits_in(spec.recipe),
        are_ids=are_ids_in(spec.recipe),
    )
    decoders = Decoders(DECODERS, reading)
    engine = engines.load(spec, events.phase)
    events.phase("compiling the first step")
    grey = grey_image(engine.size)
    engine([Noisy(grey, b"") if spec.recipe["sample"] else grey])
    largest = spec.batch if engine.largest is None else min(spec.batch, engine.largest)

    def note(level: str, message: str) -> None:
        events.send("note", level=level, message=message)

    batcher = Batcher(engine, largest, note)
    environment = dict(engine.environment)
    events.send(
        "ready",
        device=environment.get("device"),
        device_name=environment.get("device_name"),
        environment=environment,
    )
    return Translator(decoders, batcher, spec.recipe, events, reading)


def grey_image(size: int) -> Pixels:
    """Return an image to warm up with, `size` square."""
    import numpy as np

    return np.full((size, size, 3), 128, np.uint8)


def _read_requests(translator: Translator) -> None:
    try:
        for line in sys.stdin:
            translator.accept(line)
    finally:
        # The parent has ended or wants this process to end: finish nothing and wait for no thread.
        os._exit(0)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


if __name__ == "__main__":
    sys.exit(main())
