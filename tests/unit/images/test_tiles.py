"""Tiles cover a picture, weigh one together at every pixel, and leave no seam."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pixd.images.png import PngWriter
from pixd.images.tiles import Axis, Band, Canvas, count_of

Pixels = NDArray[np.uint8]


def through(pixels: Pixels, size: int, network: Callable[[Pixels, int, int], Pixels]) -> Pixels:
    """Cut a picture into tiles, have each translated, and put them together."""
    across, down = Axis.along(pixels.shape[1], size), Axis.along(pixels.shape[0], size)
    band, canvas = Band(across, down), Canvas(across, down)
    made, read = [], 0
    for row in range(len(down.starts)):
        missing = band.missing(row)
        band.add(pixels[read : read + missing], row)
        read += missing
        for column, tile in enumerate(band.tiles(row)):
            assert tile.shape == (size, size, 3)
            canvas.lay(network(tile, row, column), row, column)
        made.append(canvas.finished(row))
    assert read == len(pixels)
    return np.concatenate(made)


def identity(tile: Pixels, _row: int, _column: int) -> Pixels:
    return tile


def noise(width: int, height: int, seed: int = 0, channels: int = 3) -> Pixels:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


sides = st.one_of(st.integers(1, 140), st.sampled_from([32, 33, 55, 56, 57, 400]))


@given(sides, sides, st.sampled_from([4, 32, 64]))
@settings(max_examples=60, deadline=None)
def test_a_network_that_gives_its_input_back_gives_the_picture_back(
    width: int, height: int, size: int
) -> None:
    pixels = noise(width, height)
    assert np.array_equal(through(pixels, size, identity), pixels)


def test_a_strip_and_a_wide_sheet_come_back_too() -> None:
    for width, height in ((4000, 8), (8, 4000), (3000, 2000)):
        pixels = noise(width, height)
        assert np.array_equal(through(pixels, 256, identity), pixels)


@given(st.integers(1, 20_000), st.sampled_from([32, 256, 1024]))
def test_the_weights_add_up_to_one_at_every_pixel(length: int, size: int) -> None:
    axis = Axis.along(length, size)
    total = np.zeros(length)
    for start, weight in zip(axis.starts, axis.weights, strict=True):
        assert weight.min() >= 0
        inside = weight[max(0, -start) : max(0, -start) + min(size, length)]
        total[max(0, start) : max(0, start) + len(inside)] += inside
    assert np.abs(total - 1).max() < 1e-6
    if length > size:
        assert (axis.starts[0], axis.starts[-1]) == (0, length - size)
        assert np.diff(axis.starts).max() <= size - size // 4


def test_so_many_tiles_are_counted_as_there_are() -> None:
    for width, height in ((12_000, 9_000), (257, 1), (448, 449), (1, 1)):
        axes = Axis.along(width, 256), Axis.along(height, 256)
        assert count_of(width, height, 256) == len(axes[0].starts) * len(axes[1].starts)
    assert count_of(12_000, 9_000, 256) == 63 * 47


def test_no_seam_is_seen_between_tiles_that_differ() -> None:
    """A network that answers each tile in another brightness: no step, no line, anywhere."""
    grey = np.full((1000, 1200, 3), 128, np.uint8)

    def moody(tile: Pixels, row: int, column: int) -> Pixels:
        return tile + np.uint8(20 * ((row + column) % 2)) - np.uint8(10)

    made = through(grey, 256, moody).astype(int)
    assert made.max() - made.min() == 20  # they do differ
    # 20 levels over an overlap of 64 or more: with rounding a level a pixel, not 20.
    assert np.abs(np.diff(made, axis=0)).max() <= 1
    assert np.abs(np.diff(made, axis=1)).max() <= 1
    # The slope has no step either: at the borders of tiles it is as small as anywhere.
    for axis, length in ((0, 1000), (1, 1200)):
        smooth = made[..., 0].astype(float)
        slope = np.abs(np.diff(smooth, n=1, axis=axis)).mean(axis=1 - axis)
        starts = Axis.along(length, 256).starts
        borders = sorted({*starts[1:], *(start + 255 for start in starts[:-1])})
        assert slope[borders].mean() <= slope.mean()


def test_a_seam_would_be_noticed() -> None:
    """The measure of the test before, on tiles that are put side by side."""
    side_by_side = np.full((256, 512), 118)
    side_by_side[:, 256:] = 138
    assert np.abs(np.diff(side_by_side, axis=1)).max() == 20


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (700, 5), (333, 517), (1, 900)])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_written_in_pieces_is_the_picture_and_its_text(
    size: tuple[int, int], channels: int
) -> None:
    pixels, text = noise(*size, channels=channels), {"pixd:model": "sha256:1", "Software": "pixd"}
    pixels[: size[1] // 2] //= 16  # smooth in parts
    written = set()
    for step in (1, 7, 1000):
        stream = BytesIO()
        writer = PngWriter(stream, *size, channels, text, zlib.Z_RLE)
        for top in range(0, size[1], step):
            writer.add(pixels[top : top + step])
        writer.finish()
        written.add(stream.getvalue())
    (data,) = written
    with Image.open(BytesIO(data)) as image:
        assert image.text == text  # type: ignore[attr-defined]
        assert (image.size, image.mode) == (size, "RGB" if channels == 3 else "RGBA")
        assert np.array_equal(np.asarray(image), pixels)
    with Image.open(BytesIO(data)) as image:
        image.verify()  # every checksum


def test_a_png_that_lacks_rows_is_not_finished() -> None:
    writer = PngWriter(BytesIO(), 4, 4, 3, {}, zlib.Z_RLE)
    writer.add(noise(4, 3))
    with pytest.raises(ValueError, match="3 rows of 4"):
        writer.finish()


def test_a_photograph_takes_no_more_room_than_pillow_would_need() -> None:
    y, x = np.mgrid[0:400, 0:600]
    waves = 128 + 60 * np.sin(x / 37) + 50 * np.cos(y / 23)
    pixels = np.stack([waves, waves * 0.8, 255 - waves], -1)
    pixels = (pixels + np.random.default_rng(0).normal(0, 3, pixels.shape)).clip(0, 255)
    ours, theirs = BytesIO(), BytesIO()
    writer = PngWriter(ours, 600, 400, 3, {}, zlib.Z_RLE)
    writer.add(pixels.astype(np.uint8))
    writer.finish()
    Image.fromarray(pixels.astype(np.uint8)).save(theirs, "PNG", compress_type=zlib.Z_RLE)
    assert ours.tell() < 1.05 * theirs.tell()
