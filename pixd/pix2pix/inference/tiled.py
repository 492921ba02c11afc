"""Translates one image in tiles: reads rows, sends squares through the network, writes a PNG.

Whatever the height of the image, memory holds only a band of the source as high as a tile, the
same of the sum of the tiles, and the tiles that are under way (`pixd.images.tiles`). Tiles come
back in the order in which they were given, so the bytes of the output depend only on the image.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from pixd.config.pair_kinds import keeps_lightness
from pixd.pix2pix.inference.batching import Square
from pixd.pix2pix.inference.decoding import Rows
from pixd.pix2pix.inference.engine import Noisy, Pixels

TOLD_EVERY_S: Final = 1.0


class Made(NamedTuple):
    """The result of an image: digest and size of its file, and the times that it took."""

    sha256: str
    size: int
    ms: dict[str, float]


class _Hashed:
    """Writes a file and hashes what it writes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest, self.size = stream, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return "sha256:" + self._digest.hexdigest()


class _Under(NamedTuple):
    """A tile under way."""

    row: int
    column: int
    output: Future[Pixels]


def reader_of(whole: Pixels) -> Callable[[int], Pixels]:
    """Return a `Rows.read` for pixels that are in memory already."""
    top = 0

    def read(count: int) -> Pixels:
        nonlocal top
        top += count
        return whole[top - count : top]

    return read


def translate(
    source: Rows,
    out: Path,
    text: Mapping[str, str],
    *,
    size: int,
    pairs: str | None,
    put: Callable[[Square], None],
    at_once: int,
    told: Callable[[int, int], None],
    noise: bytes | None = None,
) -> Made:
    """Translate an image of any size to a PNG of the same size.

    Args:
        source: the image; if it has four channels, its alpha goes into the output.
        out: the file; it stays incomplete if this raises.
        text: text chunks of the file.
        size: side of a tile, pixels.
        pairs: the setting, if the network's input is made from the image. If it keeps the
            lightness, the output has the source's own lightness, also where tiles overlap.
        put: gives a square to the network.
        at_once: the largest number of squares under way.
        told: called now and then with how many tiles are done, and of how many.
        noise: of the image where dropout is on; each tile has its own, by its place.

    Raises:
        ImageRejectedError: as `source.read`.
        Exception: the network failed, or the file cannot be written.
    """
    from pixd.images import input_makers, png
    from pixd.images.png import PngWriter
    from pixd.images.tiles import Axis, Band, Canvas

    began = time.perf_counter()
    ms = {"decode": 0.0, "encode": 0.0}
    across, down = Axis.along(source.width, size), Axis.along(source.height, size)
    band, canvas = Band(across, down), Canvas(across, down)
    needs_source = keeps_lightness(pairs) or source.channels == 4  # noqa: PLR2004 - RGBA
    sources: deque[Pixels] = deque()  # the source of the rows that each row of tiles finishes
    under: deque[_Under] = deque()
    done, of = 0, len(across.starts) * len(down.starts)
    told_at = began

    with out.open("wb") as stream:
        sink = _Hashed(stream)
        writer = PngWriter(
            sink, source.width, source.height, source.channels, text, png.PNG_STRATEGY
        )

        def take() -> None:
            nonlocal done, told_at
            tile = under.popleft()
            canvas.lay(tile.output.result(), tile.row, tile.column)
            done += 1
            if time.perf_counter() - told_at >= TOLD_EVERY_S:
                told_at = time.perf_counter()
                told(done, of)
            if tile.column + 1 == len(across.starts):
                started = time.perf_counter()
                rows = canvas.finished(tile.row)
                writer.add(_dressed(rows, sources.popleft(), pairs) if needs_source else rows)
                ms["encode"] += _ms_since(started)

        for row in range(len(down.starts)):
            started = time.perf_counter()
            band.add(source.read(band.missing(row)), row)
            ms["decode"] += _ms_since(started)
            if needs_source:
                sources.append(band.rows(*down.finished_by(row)).copy())
            for column, tile in enumerate(band.tiles(row)):
                output: Future[Pixels] = Future()
                under.append(_Under(row, column, output))
                pixels: Any = input_makers.input_for_translation(tile, pairs)
                if noise is not None:
                    pixels = Noisy(pixels, b"%s/%d/%d" % (noise, row, column))
                put(_square(pixels, output))
                while len(under) > at_once:
                    take()
        while under:
            take()
        writer.finish()
    ms["infer"] = _ms_since(began) - ms["decode"] - ms["encode"]
    return Made(sink.sha256, sink.size, {name: round(value, 3) for name, value in ms.items()})


def _square(pixels: Pixels, output: Future[Any]) -> Square:
    return Square(pixels, lambda made, _: output.set_result(made), output.set_exception)


def _dressed(rows: Pixels, source: Pixels, pairs: str | None) -> Pixels:
    """Give finished rows the lightness and the alpha of their source, if these are wanted."""
    import numpy as np

    from pixd.images import lab

    if keeps_lightness(pairs):
        rows = lab.with_lightness(rows, lab.grey_of(source[..., :3]))
    return np.concatenate([rows, source[..., 3:]], axis=2)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
