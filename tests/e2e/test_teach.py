"""`pixd teach`: a retouched output becomes a pair, is traced, and is reached by a recall."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixd.system.digests import hash_file
from tests.support.tiny import Tiny


@pytest.fixture
def mine(translated: Path, tmp_path: Path) -> Iterator[Tiny]:
    """Return a pipeline that has trained once and translated three inputs, to be changed."""
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        tiny.once()  # copied files have other inodes and are read again
        yield tiny


def retouch(path: Path) -> None:
    """Paint a white square into a picture, and save it as an image editor does."""
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    pixels[4:16, 4:16] = 255
    Image.fromarray(pixels).save(path)


def refused(tiny: Tiny, *words: str) -> str:
    done = tiny.pixd("teach", "output/in-001.png", *words)
    assert done.returncode == 1
    return done.stderr


def test_a_retouched_output_is_learned_traced_and_recalled(mine: Tiny) -> None:
    output = mine.folder / "output" / "in-001.png"
    assert "must not learn its own mistakes" in refused(mine)
    with Image.open(output) as image:
        image.convert("RGB").save(mine.folder / "again.jpg", quality=60)
    assert "at most saved anew" in refused(mine, "--target", "again.jpg")
    assert not (mine.folder / "training" / "taught").exists()

    retouch(output)
    training, away = mine.folder / "training", mine.folder / "away"
    training.rename(away)  # its disk is not mounted
    assert "look whether its disk is there" in refused(mine)
    assert not training.exists()
    away.rename(training)
    done = mine.pixd("teach", "output/in-001.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["written"] == ["taught/in-001.png"]
    pair = mine.folder / "training" / "taught" / "in-001.png"
    with Image.open(pair) as image:
        both = np.asarray(image.convert("RGB"))
    with Image.open(mine.folder / "input" / "in-001.png") as image:
        assert np.array_equal(both[:, :32], np.asarray(image.convert("RGB")))
    with Image.open(output) as image:
        assert np.array_equal(both[:, 32:], np.asarray(image.convert("RGB")))
    again = mine.pixd("teach", "output/in-001.png")
    assert len(mine.rows("SELECT 1 FROM event WHERE kind = 'teach'")) == 1
    assert "there already" in again.stdout

    mine.once()
    assert mine.part()["training"]["pairs"] == 13
    found = json.loads(mine.pixd("trace", str(pair), "--json").stdout)
    assert [m["name"] for m in found["training"]["models"]] == ["model@2"]
    (taught,) = found["taught"]
    assert (taught["input_path"], taught["output_path"]) == ("in-001.png", "in-001.png")
    found = json.loads(mine.pixd("trace", "input/in-001.png", "--json").stdout)
    assert [row["name"] for row in found["taught"]] == ["taught/in-001.png"]
    assert mine.pixd("verify").returncode == 0

    # Who recalls the input recalls the pair, and the model that learned from it.
    done = mine.pixd("recall", "input/in-001.png", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    assert planned["taught"] == ["taught/in-001.png"]
    assert planned["models"] == [{"name": "model@2", "how": "via taught/in-001.png"}]
    assert (planned["live"], planned["live_after"]) == ("model@2", "model@1")
    assert mine.part()["training"]["pairs"] == 12
    assert "was recalled" in refused(mine)
    mine.pixd("recall", "input/in-001.png", "--undo")
    mine.once()
    assert mine.part()["training"]["pairs"] == 13


def test_what_made_the_model_reaches_what_was_taught_by_it(mine: Tiny) -> None:
    retouch(mine.folder / "output" / "in-002.png")
    assert mine.pixd("teach", "output/in-002.png").returncode == 0
    done = mine.pixd("recall", "training/003.png", "--json")
    planned = json.loads(done.stdout)
    assert planned["taught"] == []  # not read yet; once it is, it goes too
    mine.once()
    planned = json.loads(mine.pixd("recall", "training/003.png", "--json").stdout)
    assert planned["taught"] == ["taught/in-002.png"]


@pytest.mark.parametrize("named", ["input/in-000.png", "/etc/hostname"])
def test_what_is_no_output_teaches_nothing(mine: Tiny, named: str) -> None:
    done = mine.pixd("teach", named)
    assert done.returncode == 2
    assert "is no output of tiny" in done.stderr
    assert hash_file(mine.folder / "output" / "in-000.png")  # nothing was written over
