"""`pixd restore` writes a version where it was, or where it is told to."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.cli.commands import restore
from tests.support.watched import Folder


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a project whose input folder has one commit of three files."""
    folder = Folder(tmp_path, "input")
    folder.fill(3)
    folder.close()
    for name in ("training", "output"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.yaml").write_text(
        "store: store\npipelines: {p: {training: training, input: watched, output: output}}\n"
    )
    return tmp_path


def restored(project: Path, *words: str) -> int:
    return main.main(["--config", str(project / "config.yaml"), "restore", "input@1", *words])


def put_on_another_disk(project: Path) -> None:
    """Have the store remember another disk than the one that the folder is on now."""
    with contextlib.closing(sqlite3.connect(project / "store" / "lineage.db")) as db, db:
        db.execute("UPDATE root SET device = device + 1")


def test_a_folder_that_was_emptied_or_removed_is_brought_back(recorded: Path) -> None:
    watched = recorded / "watched"
    names = sorted(path.name for path in watched.iterdir())
    for path in watched.iterdir():
        path.unlink()
    assert restored(recorded, "--yes") == 0
    shutil.rmtree(watched)
    assert restored(recorded, "--yes") == 0
    assert sorted(path.name for path in watched.iterdir()) == names


def test_a_file_that_came_while_the_question_waited_is_left(
    recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = recorded / "watched" / "001.png"
    mine.unlink()
    (recorded / "watched" / "002.png").unlink()

    def agreed(_: Path) -> bool:
        mine.write_bytes(b"never recorded")
        return True

    monkeypatch.setattr(restore, "_agreed", agreed)
    assert restored(recorded) == 1
    assert mine.read_bytes() == b"never recorded"
    assert (recorded / "watched" / "002.png").read_bytes() == b"2"
    assert "001.png changed meanwhile and was left" in capsys.readouterr().err


@pytest.mark.parametrize("is_missing", [False, True])
def test_nothing_is_written_into_the_mount_point_of_a_disk_that_is_away(
    recorded: Path, capsys: pytest.CaptureFixture[str], *, is_missing: bool
) -> None:
    watched = recorded / "watched"
    shutil.rmtree(watched)
    if not is_missing:
        watched.mkdir()
    put_on_another_disk(recorded)
    assert restored(recorded, "--yes") == 1
    said = capsys.readouterr().err
    assert "on another disk than before" in said
    assert f"--to {watched}" in said
    assert not list(recorded.glob("watched/*"))
    assert watched.exists() != is_missing

    assert restored(recorded, "--to", str(watched)) == 0
    assert len(list(watched.iterdir())) == 3
