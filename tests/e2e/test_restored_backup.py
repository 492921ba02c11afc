"""A store that was put back from a backup knows its newer outputs again, and says what is true."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.tiny import Tiny


@pytest.fixture
def restored(translated: Path, tmp_path: Path) -> Iterator[Tiny]:
    """Return a pipeline whose store is older than its outputs, one of which is of a lost model."""
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        tiny.once()  # copied files have other inodes and are read again
        shutil.copytree(tiny.folder / "store", tiny.folder / "backup", symlinks=True)
        tiny.pairs(range(13))
        tiny.inputs(range(4))
        tiny.once()
        shutil.rmtree(tiny.folder / "store")
        (tiny.folder / "backup").rename(tiny.folder / "store")
        yield tiny


def test_newer_outputs_are_known_again_and_replaced_with_the_true_reason(restored: Tiny) -> None:
    newer = restored.outputs()
    with Image.open(restored.folder / "output" / "in-001.png") as image:
        image.convert("L").save(restored.folder / "output" / "in-001.png")
    done = restored.once()
    part = restored.part()
    assert (part["input"]["translated"], part["input"]["failed"]) == (4, 0)
    assert part["output"]["edited"] == 1, "what a person changed is kept"
    assert "not made by pixd" not in done.stderr
    assert "edited by hand" in restored.pixd("why", "output/in-001.png").stdout
    told = [row[0] for row in restored.rows("SELECT message FROM event WHERE kind = 'earlier'")]
    assert any("a run that this store does not have" in one for one in told)
    # What was replaced is in the store; nothing is lost.
    kept = {row[0] for row in restored.rows("SELECT digest FROM object")}
    from pixd.system.digests import digest_of

    now = restored.outputs()
    for name, data in newer.items():
        if name != "in-001.png":
            assert now[name] == data or digest_of(data) in kept
    assert restored.pixd("verify").returncode == 0
