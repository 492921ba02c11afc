"""A label map that people draw on is made smaller without colours that it did not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.images import fitting, viewer_child

SIDE = 32


def label_map() -> Image.Image:
    """Draw slanted edges of three classes, at no multiple of the model's size."""
    x, y = np.meshgrid(np.arange(100), np.arange(100))
    colours = np.array([(0, 0, 170), (255, 85, 0), (0, 170, 255)], np.uint8)
    return Image.fromarray(colours[(x + 2 * y) // 20 % 3])


def colours(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> set[tuple[int, ...]]:
    return {tuple(one) for one in pixels.reshape(-1, 3).tolist()}


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch", "tile"])
def test_a_label_map_to_draw_on_has_no_colours_but_its_own(fit: str) -> None:
    whole = label_map()
    own = colours(np.asarray(whole))
    assert colours(fitting.to_model(whole, SIDE, fit, keeps_colours=True)[0]) == own
    assert fit == "tile" or len(colours(fitting.to_model(whole, SIDE, fit)[0])) > 100


def test_a_photo_to_draw_on_is_as_the_model_sees_it() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8))
    kept, _ = fitting.to_model(photo, SIDE, "pad", keeps_colours=True)
    assert np.array_equal(kept, fitting.to_model(photo, SIDE, "pad")[0])


@pytest.mark.parametrize("want", ["pair", "square"])
def test_a_picture_for_people_to_draw_on_is_told_apart_from_what_the_model_sees(
    want: str, tmp_path: Path
) -> None:
    whole = label_map()
    both = Image.new("RGB", (200, 100))
    both.paste(whole, (0, 0))
    (both if want == "pair" else whole).save(tmp_path / "one.png")
    asked = {
        "want": want,
        "image": str(tmp_path / "one.png"),
        "images": [str(tmp_path / "one.png")],
        "pairs": "side-by-side",
        "direction": "AtoB",
        "size": SIDE,
        "fit": "pad",
        "part": "input",
    }
    own = colours(np.asarray(whole))
    assert colours(drawn(asked | {"keeps_colours": True}, tmp_path)) == own
    assert len(colours(drawn(asked, tmp_path))) > 100


def drawn(
    asked: dict[str, object], folder: Path
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    event, parts = viewer_child.answer(asked)
    assert event["event"] == "done"
    (folder / "made.png").write_bytes(b"".join(parts))
    return np.asarray(Image.open(folder / "made.png").convert("RGB"))
