"""What shows that a file is not whole yet, on the file system that the tests have, and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.folders import wholeness
from pixd.images.demo_set import facade_pair

SIZE = 512  # px; large enough for compressed files of many blocks


def noise(seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    return Image.fromarray(values)


def missing(path: Path) -> str:
    with path.open("rb") as file:
        return wholeness.missing_part(file.fileno(), path.stat().st_size)


def being_written(path: Path) -> bool:
    with path.open("rb") as file:
        return wholeness.being_written(file.fileno())


def with_a_hole(source: Path, target: Path, *, to_the_end: bool = False) -> None:
    """Write the first and last quarter of a file at their places, as downloaders do."""
    data = source.read_bytes()
    quarter = len(data) // 4
    with target.open("wb") as file:
        file.write(data[:quarter])
        if to_the_end:
            file.truncate(len(data))
        else:
            file.seek(len(data) - quarter)
            file.write(data[-quarter:])


def needs_holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 20)
    with path.open("rb") as file:
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == 1 << 20:
            pytest.skip("this file system does not tell holes")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.bmp", "x.tif", "x.gif"])
@pytest.mark.parametrize("to_the_end", [False, True])
def test_a_part_that_was_never_written_is_named(
    tmp_path: Path, name: str, *, to_the_end: bool
) -> None:
    needs_holes(tmp_path / "probe")
    noise().save(tmp_path / name)
    assert missing(tmp_path / name) == ""
    with_a_hole(tmp_path / name, tmp_path / "half", to_the_end=to_the_end)
    assert "were never written" in missing(tmp_path / "half")


@pytest.mark.parametrize("name", ["x.jpg", "x.webp", "x.avif"])
@pytest.mark.parametrize("end", [0.75, 1.0])
def test_blocks_of_zeros_in_compressed_data_are_named(
    tmp_path: Path, name: str, end: float
) -> None:
    """As where a downloader wrote zeros over the whole file first."""
    noise().save(tmp_path / name, quality=90)
    data = bytearray((tmp_path / name).read_bytes())
    first = len(data) // 2 // wholeness.BLOCK * wholeness.BLOCK
    last = len(data) if end == 1.0 else int(len(data) * end) // wholeness.BLOCK * wholeness.BLOCK
    data[first:last] = bytes(last - first)
    (tmp_path / "half").write_bytes(data)
    assert f"bytes {first} to {last} of {len(data)} are zeros" in missing(tmp_path / "half")


def test_a_white_page_with_tables_of_its_own_has_zeros_and_is_whole(tmp_path: Path) -> None:
    page = Image.new("L", (6000, 6000), 255)
    page.paste(facade_pair(1, 256)[1].convert("L"), (100, 100))
    page.save(tmp_path / "page.jpg", optimize=True)
    assert bytes(wholeness.BLOCK) in (tmp_path / "page.jpg").read_bytes()
    assert missing(tmp_path / "page.jpg") == ""


def test_zeros_in_metadata_or_in_plain_pixels_say_nothing(tmp_path: Path) -> None:
    noise().save(tmp_path / "x.jpg", quality=90)
    data = (tmp_path / "x.jpg").read_bytes()
    padding = b"\xff\xe2" + (60_002).to_bytes(2) + bytes(60_000)
    (tmp_path / "padded.jpg").write_bytes(data[:2] + padding + data[2:])
    assert missing(tmp_path / "padded.jpg") == ""
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "black.bmp")
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "black.tif")
    for name in ("black.bmp", "black.tif"):
        assert missing(tmp_path / name) == ""


def test_a_file_that_a_program_writes_to_is_known_by_its_lease(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    noise().save(path)
    assert not being_written(path)
    with path.open("r+b"):
        assert being_written(path)
    assert not being_written(path)
    with path.open("rb"):  # a reader is no writer
        assert not being_written(path)


@pytest.mark.parametrize("ending", [".aria2", ".st", ".lftp-pget-status"])
def test_a_sidecar_says_that_its_file_is_unfinished(tmp_path: Path, ending: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / f"sub/x.jpg{ending}").write_bytes(b"")
    assert wholeness.sidecar_of(tmp_path, "sub/x.jpg") == f"sub/x.jpg{ending}"
    assert wholeness.sidecar_of(tmp_path, "sub/y.jpg") == ""


def test_patience_with_an_open_file_ends() -> None:
    patience = wholeness.Patience()
    assert not patience.is_over("x", 5.0)
    assert patience.begins("x", 5.0)
    assert not patience.begins("x", 9.0)
    assert not patience.is_over("x", 5.0 + wholeness.LONGEST_OPEN_S - 1)
    assert patience.is_over("x", 5.0 + wholeness.LONGEST_OPEN_S)
    patience.end("x")
    assert not patience.is_over("x", 9999.0)
