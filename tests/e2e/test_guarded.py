"""A retrain on bad pairs is trained, scored, and kept from going live."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from PIL import Image

from pixd.images.demo_set import facade_pair
from tests.support.tiny import Tiny

PAIRS = 60
SIZE = 32


@pytest.fixture
def facades(tmp_path: Path) -> Tiny:
    """Return a pipeline with pairs of label map and facade, trained for as long as it takes."""
    tiny = Tiny(tmp_path / "facades")
    path = tiny.folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    train = tree["pipelines"]["tiny"]["train"]
    train.update(
        steps=300,
        learning_rate=4e-4,
        ngf=8,
        ndf=8,
        validation=0.3,
        promote="if-better",
        jitter=False,
    )
    path.write_text(yaml.safe_dump(tree))
    for number in range(PAIRS):
        write_pair(tiny, number, number)
    facade_pair(1000, SIZE)[0].save(tiny.folder / "input" / "new.png")
    tiny.once()
    return tiny


def write_pair(tiny: Tiny, number: int, target: int) -> None:
    """Write the label map of one facade beside the picture of another, or of the same."""
    both = Image.new("RGB", (2 * SIZE, SIZE))
    both.paste(facade_pair(number, SIZE)[0], (0, 0))
    both.paste(facade_pair(target, SIZE)[1], (SIZE, 0))
    both.save(tiny.folder / "training" / f"{number:03d}.png")


def test_half_the_pairs_shuffled_are_trained_on_and_not_promoted(facades: Tiny) -> None:
    before = facades.outputs()
    for number in range(PAIRS // 2):
        write_pair(facades, number, (number + 7) % (PAIRS // 2))
    facades.once()
    part = facades.part()
    assert part["model"]["number"] == 1
    assert facades.outputs() == before
    worse = facades.shown("model@2")
    assert worse["verdict"]["promote"] is False
    assert worse["verdict"]["why"].startswith("worse: held-out L1 ")
    assert "from scratch, because pairs were taken away" in worse["training"]["reason"]
