"""Which files are outputs as pixd wrote them, and which were changed since."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from pixd.images import png_text
from pixd.images.demo_set import facade_pair
from pixd.images.png import encode_png

TEXT = {
    "Software": "pixd 0.1.0", "pixd:dataset": "sha256:1", "pixd:input-sha256": "2",
    "pixd:model": "sha256:3", "pixd:run": "sha256:4",
}  # fmt: skip


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    path.write_bytes(encode_png(facade_pair(1, 256)[1], TEXT))
    return path


def test_what_pixd_wrote_is_known_by_its_text(output: Path) -> None:
    assert png_text.read_as_written(output) == TEXT


def test_what_another_program_wrote_is_not(output: Path, tmp_path: Path) -> None:
    with Image.open(output) as image:
        image.save(tmp_path / "bare.png")
        text = PngImagePlugin.PngInfo()
        for keyword, value in TEXT.items():
            text.add_text(keyword, value)
        text.add_text("date:create", "2026-11-28")
        image.save(tmp_path / "more.png", pnginfo=text)
        image.save(tmp_path / "dpi.png", pnginfo=text, dpi=(72, 72))
        image.save(tmp_path / "x.jpg")
    for name in ("bare.png", "more.png", "dpi.png", "x.jpg"):
        assert png_text.read_as_written(tmp_path / name) == {}


def test_what_is_cut_off_or_longer_is_not(output: Path) -> None:
    data = output.read_bytes()
    output.write_bytes(data[:-20])
    assert png_text.read_as_written(output) == {}
    output.write_bytes(data + b"more")
    assert png_text.read_as_written(output) == {}
