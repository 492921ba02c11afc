"""`pixd plan` before a start says what the start then does, in the words of its reason."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from pixd.cli import main
from tests.support.tiny import Tiny, pair, small_png


def plan(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the plan, made in this process: the command takes half a second to start."""
    capsys.readouterr()
    assert main.main(["--config", str(tiny.folder / "config.yaml"), "plan", "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out)["tiny"])


def test_before_the_first_start_it_says_what_that_start_will_do(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.pairs(range(6))
    tiny.inputs(range(2))
    made = plan(tiny, capsys)
    assert made["changes"]["training"] == {"added": 6, "changed": 0, "removed": 0}
    assert (made["train"]["action"], made["train"]["pairs"]) == ("run", 6)
    assert made["train"]["why"] == "first training on 6 pairs"
    assert made["translate"]["inputs"] == 2
    assert not made["translate"]["replaces"]
    assert main.main(["--config", str(tiny.folder / "config.yaml"), "plan"]) == 0
    told = capsys.readouterr().out
    assert "translate 2 inputs by the new model (no estimate" in told  # there are no outputs yet
    assert not (tiny.folder / "store").exists()


def test_unread_files_count_and_the_reason_is_that_of_the_run(
    trained: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.pairs(range(40, 44))
    pair(50).save(trained.folder / "training" / "000.png")  # another picture under an old name
    (trained.folder / "training" / "001.png").unlink()
    (trained.folder / "input" / "new.png").write_bytes(small_png(7))
    (trained.folder / "input" / "in-000.png").unlink()
    planned = plan(trained, capsys)
    assert planned["changes"] == {
        "training": {"added": 4, "changed": 1, "removed": 1},
        "input": {"added": 1, "changed": 0, "removed": 1},
    }
    assert (planned["train"]["action"], planned["train"]["pairs"]) == ("run", 15)
    assert planned["translate"]["inputs"] == planned["translate"]["due_after_training"] == 3
    assert planned["translate"]["replaces"]

    trained.once()
    ((reason,),) = trained.rows(
        "SELECT reason FROM run WHERE kind = 'train' ORDER BY id DESC LIMIT 1"
    )
    assert reason == planned["train"]["why"]
    assert trained.part()["training"]["pairs"] == 15


def test_a_copy_of_the_folders_changes_nothing(
    trained: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    before = plan(trained, capsys)
    for kind in ("training", "input"):
        folder = trained.folder / kind
        shutil.copytree(folder, trained.folder / "copy")  # other inodes and other times
        shutil.rmtree(folder)
        (trained.folder / "copy").rename(folder)
        for path in folder.iterdir():
            os.utime(path)
    assert plan(trained, capsys) == before
    assert before["train"]["action"] == "none"
    assert before["translate"]["due"] == 0


def test_an_empty_project_is_told_that_there_is_nothing_to_translate_yet(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(tiny.folder / "config.yaml")]
    assert main.main([*config, "plan"]) == 0
    assert "translate nothing: there are no inputs" in capsys.readouterr().out
    tiny.inputs(range(2))
    assert main.main([*config, "plan"]) == 0
    assert "translate nothing: no model yet for 2 inputs" in capsys.readouterr().out
