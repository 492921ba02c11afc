"""`pixd export`: whole or not at all, and one line if not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.system import disk
from tests.support.tiny import Tiny

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
Refused = Callable[..., str]


@pytest.fixture
def refused(
    own: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Refused:
    """Run an export that must fail; return what it says. Nothing may be left behind."""
    monkeypatch.chdir(own.folder)

    def run(*words: str) -> str:
        before = sorted(own.folder.iterdir())
        capsys.readouterr()
        assert main.main(["export", *words]) != 0
        told = capsys.readouterr()
        assert told.out == ""
        assert sorted(own.folder.iterdir()) == before
        said, advice = told.err.strip().splitlines()
        assert advice.startswith("  try: ")
        return said

    return run


def test_each_thing_that_is_missing_is_said_in_one_line(
    own: Tiny, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own.folder / "full").mkdir()
    (own.folder / "full" / "notes.txt").write_text("mine")
    assert "is there already" in refused("live", "full")
    assert (own.folder / "full" / "notes.txt").read_text() == "mine"
    assert "no such format" in refused("live", "new/deep", "--format", "tfjs")
    assert "are for a page" in refused("live", "new", "--check")
    monkeypatch.setenv("XDG_CACHE_HOME", str(own.folder / "store"))
    assert "browsers' runtime" in refused("live", "new", "--format", "web")
    with monkeypatch.context() as patched:
        patched.setattr(util, "find_spec", lambda _name: None)
        assert "not installed: openvino" in refused("live", "new", "--format", "openvino")
    with monkeypatch.context() as patched:
        patched.setattr(disk, "free_bytes", lambda _folder: 1000)
        assert "MB free, and an export may need" in refused("live", "new/deep")
    assert "no model@9" in refused("model@9", "new")


def test_a_model_without_weights_or_with_damaged_ones_leaves_nothing(
    own: Tiny, refused: Refused
) -> None:
    (weights,) = own.folder.glob("store/models/*/generator.keras")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.chmod(0o600)
    weights.write_bytes(content)
    assert "is damaged" in refused("live", "new/deep")

    import sqlite3

    with sqlite3.connect(own.folder / "store" / "lineage.db") as db:
        db.execute("UPDATE object_bytes SET state = 'removed' WHERE digest IN (SELECT digest FROM"
                   " run_output WHERE role = 'generator')")  # fmt: skip
    assert "were removed" in refused("live", "new")


def test_an_exported_onnx_runs_without_pixd_by_the_script_of_the_docs(own: Tiny) -> None:
    words = ("live", str(own.folder / "exported"), "--format", "onnx", "--licence", "CC0")
    done = own.pixd("export", *words, timeout_s=500)
    assert done.returncode == 0, done.stderr
    exported = own.folder / "exported"
    assert {path.name for path in exported.iterdir()} == {
        *("README.md", "model.json", "model.onnx", "receipt.json"),
    }
    card = json.loads((exported / "model.json").read_text())["export"]
    assert card["licence"] == "CC0"
    assert card["formats"]["onnx"]["agreement"]["largest"] <= 1
    assert "on 12 training pictures" in card["formats"]["onnx"]["checked"]

    (script,) = re.findall(r"```python\n(import os, sys.*?)```", DOCS.read_text(), re.DOTALL)
    assert sum(map(bool, script.splitlines())) <= 10
    assert "pixd" not in script
    picture, made = own.folder / "input" / "in-000.png", own.folder / "made.png"
    subprocess.run(
        [sys.executable, "-I", "-c", script, exported / "model.onnx", picture, made], check=True
    )
    from PIL import Image, ImageChops

    with Image.open(made) as one, Image.open(own.folder / "output" / "in-000.png") as other:
        assert one.size == other.size
        # pixd may have computed in another precision here.
        difference = ImageChops.difference(one, other.convert("RGB"))
        assert max(difference.tobytes()) <= 4


def test_a_picture_of_an_exported_page_is_traced_to_its_model(own: Tiny) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    (digest,) = own.rows("SELECT digest FROM model")[0]
    for named in (digest, "sha256:" + "0" * 64):
        text = PngInfo()
        text.add_text("pixd:dataset", "sha256:" + "1" * 64)
        text.add_text("pixd:model", named)
        Image.new("RGB", (32, 32)).save(own.folder / "made.png", pnginfo=text)
        done = own.pixd("trace", "made.png", "--json")
        if named == digest:
            found = json.loads(done.stdout)
            assert found["found_by"] == "text"
            assert found["model"]["digest"] == digest
        else:
            assert done.returncode == 1
            assert "not with this store" in done.stderr
