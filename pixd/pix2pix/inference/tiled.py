"""One image through the network in tiles: rows in, squares to and fro, rows of a PNG out.

Of the image there are in memory a band as high as a tile of its source, the same of what the
tiles add up to, and the tiles that are under way; whatever its height (`pixd.images.tiles`). Tiles come
back in the order in which they were given, so that the bytes follow from the image alone.
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
from pixd.pix2pix.inference.batching import Pixels, Square
from pixd.pix2pix.inference.decoding import Rows

TOLD_EVERY_S: Final = 1.0


class Made(NamedTuple):
    """What came of an image: the digest and size of its file, and the times that it took."""

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
    """Return a `Rows.read` of what is in memory already."""
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
) -> Made:
    """Translate an image of any size to a PNG of the same size.

    Args:
        source: the image; its alpha, where it has four channels, goes into the output.
        out: the file; left incomplete where this raises.
        text: chunks of the file.
        size: side of a tile, pixels.
        pairs: the setting, where the network's input is made of what comes. Where the lightness is kept
            the output has the source's own lightness, whatever tiles overlap.
        put: gives a square to the network.
        at_once: squares under way at most.
        told: hears now and then how many tiles are done, and of how many.

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
    sources: deque[Pixels] = deque()  # of the rows that each tile row finishes
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
                put(_square(input_makers.input_for_translation(tile, pairs), output))
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
    """Give finished rows the lightness and the alpha of their source, where they are wanted."""
    import numpy as np

    from pixd.images import lab

    if keeps_lightness(pairs):
        rows = lab.with_lightness(rows, lab.grey_of(source[..., :3]))
    return np.concatenate([rows, source[..., 3:]], axis=2)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
