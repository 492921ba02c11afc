"""What counts as retouched, and how the halves of a taught pair come to one size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.images.decode import DEFAULT_LIMITS
from pixd.images.demo_set import facade_pair
from pixd.system.children.spec import TeachSpec
from pixd.training.prepare import teaching_child


def saved_anew(picture: Image.Image, kind: str, **how: Any) -> Image.Image:
    data = io.BytesIO()
    picture.save(data, kind, **how)
    return Image.open(data).convert("RGB")


@pytest.fixture(scope="module")
def output() -> Image.Image:
    return facade_pair(3, 128)[1]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 50}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("WEBP", {"quality": 60}),
    ],
)
def test_saving_anew_is_no_retouching(output: Image.Image, kind: str, how: dict[str, Any]) -> None:
    assert teaching_child.is_untouched(saved_anew(output, kind, **how), output)


def test_scaling_is_no_retouching(output: Image.Image) -> None:
    larger = output.resize((256, 256), Image.Resampling.BICUBIC)
    assert teaching_child.is_untouched(larger, output)


def test_a_small_touch_counts_even_where_it_was_saved_as_jpeg(output: Image.Image) -> None:
    pixels = np.array(output)
    pixels[60:66, 40:46] = 255 - pixels[60:66, 40:46]
    touched = Image.fromarray(pixels)
    assert not teaching_child.is_untouched(touched, output)
    assert not teaching_child.is_untouched(saved_anew(touched, "JPEG", quality=80), output)


def made(
    tmp_path: Path, source: tuple[int, int], target: tuple[int, int], **of: str
) -> tuple[dict[str, Any], list[Image.Image]]:
    """Return the answer for plain pictures of two sizes, and the pictures that it holds."""
    Image.new("RGB", source, (250, 0, 0)).save(tmp_path / "input.png")
    Image.new("RGB", target, (0, 0, 250)).save(tmp_path / "target.png")
    spec = TeachSpec(
        pairs=of.get("pairs", "side-by-side"),
        direction=of.get("direction", "AtoB"),
        fit=of.get("fit", "pad"),
    )
    request = {
        "input": str(tmp_path / "input.png"), "target": str(tmp_path / "target.png"),
        "output": None, "text": {"Software": "pixd"},
    }  # fmt: skip
    event, parts = teaching_child.answer(spec, request, DEFAULT_LIMITS)
    return event, [Image.open(io.BytesIO(part)).convert("RGB") for part in parts]


def test_an_output_in_the_size_of_its_source_stands_beside_it(tmp_path: Path) -> None:
    event, (both,) = made(tmp_path, (120, 90), (120, 90))
    assert event["files"][0][0] == ""
    assert both.size == (240, 90)
    assert both.getpixel((5, 5)) == (250, 0, 0)
    assert both.getpixel((125, 5)) == (0, 0, 250)


def test_a_square_output_stands_beside_what_the_model_saw(tmp_path: Path) -> None:
    _, (both,) = made(tmp_path, (120, 90), (64, 64), direction="BtoA")
    assert both.size == (128, 64)
    assert both.getpixel((5, 5)) == (0, 0, 250)
    assert both.getpixel((70, 32)) == (250, 0, 0)


def test_the_two_folders_get_a_file_each(tmp_path: Path) -> None:
    event, (a, b) = made(tmp_path, (64, 64), (64, 64), pairs="folders", direction="BtoA")
    assert [place for place, _ in event["files"]] == ["a", "b"]
    assert (a.getpixel((5, 5)), b.getpixel((5, 5))) == ((0, 0, 250), (250, 0, 0))


def test_where_training_makes_the_input_only_the_target_is_written(tmp_path: Path) -> None:
    event, (single,) = made(tmp_path, (64, 64), (64, 64), pairs="grayscale")
    assert [place for place, _ in event["files"]] == [""]
    assert single.getpixel((5, 5)) == (0, 0, 250)


def test_a_cropped_target_is_refused_with_both_sizes(tmp_path: Path) -> None:
    event, _ = made(tmp_path, (120, 90), (120, 60))
    assert event["event"] == "rejected"
    assert "120 x 60 is not the shape of the input (120 x 90)" in event["reason"]


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.png").write_bytes(b"no picture")
    spec = TeachSpec(pairs="side-by-side", direction="AtoB", fit="pad")
    request: dict[str, Any] = {
        "input": "x",
        "target": str(tmp_path / "t.png"),
        "output": None,
        "text": {},
    }
    event, _ = teaching_child.answer(spec, request, DEFAULT_LIMITS)
    assert (event["event"], event["source"]) == ("rejected", "target")
