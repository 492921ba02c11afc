"""Reading text chunks without Pillow gives what Pillow wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pixd.images.png_text import MAX_TEXT_BYTES, SIGNATURE, read_text


def save(path: Path, *, zipped: bool) -> dict[str, str]:
    text = {"pixd:run": "sha256:ab", "Software": "pixd 1", "Comment": "größer"}
    info = PngInfo()
    for name, value in text.items():
        info.add_text(name, value, zip=zipped)
    info.add_itxt("Title", "図", zip=zipped)
    Image.new("RGB", (300, 300), "red").save(path, pnginfo=info)
    return {**text, "Title": "図"}


def test_plain_compressed_and_unicode_chunks_are_read(tmp_path: Path) -> None:
    for zipped in (False, True):
        expected = save(tmp_path / "x.png", zipped=zipped)
        assert read_text(tmp_path / "x.png") == expected


def test_a_chunk_that_unpacks_to_a_bomb_is_bounded(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("bomb", "x" * 50_000_000, zip=True)
    Image.new("RGB", (1, 1)).save(tmp_path / "x.png", pnginfo=info)
    assert len(read_text(tmp_path / "x.png").get("bomb", "")) <= MAX_TEXT_BYTES


@given(st.binary(max_size=300), st.integers(0, 300))
def test_damaged_files_give_what_can_be_read_and_never_fail(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    save(path, zipped=True)
    data = path.read_bytes()
    path.write_bytes(data[:cut] + noise + data[cut + len(noise) :])
    read_text(path)
    path.write_bytes(SIGNATURE + noise)
    read_text(path)
