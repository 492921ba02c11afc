"""Nothing is put into a watched folder whose disk is away, also where no service has noticed yet."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pixd.folders.away import why_away, why_disk_away
from pixd.store.queries.holds import Root


def remembered(folder: Path, **fields: Any) -> Root:
    about = folder.stat()
    known = Root(
        str(folder), about.st_dev, about.st_ino, 0, is_link=False, hold="", is_accepted=False
    )
    return known._replace(**fields)


def test_a_folder_that_is_as_it_was_takes_files(tmp_path: Path) -> None:
    assert why_away(tmp_path, remembered(tmp_path)) == ""
    assert why_away(tmp_path, None) == ""  # of a pipeline that has never run


def test_an_empty_folder_on_another_disk_takes_none(tmp_path: Path) -> None:
    other = remembered(tmp_path, device=tmp_path.stat().st_dev + 1)
    assert "empty, and on another disk than before" in why_away(tmp_path, other)
    assert why_away(tmp_path, other._replace(path="/elsewhere")) == ""  # config.yaml has changed
    (tmp_path / "x.png").touch()  # somebody has moved the folder to a larger disk
    assert why_away(tmp_path, other) == ""


@pytest.mark.parametrize("remembers", [False, True])
def test_a_folder_that_is_gone_takes_none(tmp_path: Path, remembers: bool) -> None:  # noqa: FBT001
    known = remembered(tmp_path) if remembers else None
    assert "No such file or directory" in why_away(tmp_path / "gone", known)


def test_a_folder_on_hold_takes_none(tmp_path: Path) -> None:
    held = remembered(tmp_path, hold="most is gone")
    assert "on hold: most is gone" in why_away(tmp_path, held)


def test_a_folder_that_a_person_accepted_takes_files_before_the_next_scan(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev + 1
    held = remembered(tmp_path, hold="it is empty", device=device, is_accepted=True)
    assert why_away(tmp_path, held) == ""
    assert "No such file" in why_away(tmp_path / "gone", held)


def test_a_folder_is_brought_back_where_it_is_missing_empty_or_on_hold(tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    known = remembered(folder, hold="most is gone")
    assert why_disk_away(folder, known) == ""
    (folder / "x.png").touch()
    assert why_disk_away(folder, known) == ""
    (folder / "x.png").unlink()
    folder.rmdir()
    assert why_disk_away(folder, known) == ""
    assert why_disk_away(folder / "below", known._replace(path=str(folder / "below"))) == ""


def test_a_folder_is_not_brought_back_on_another_disk(tmp_path: Path) -> None:
    folder = tmp_path / "media" / "disk" / "watched"
    folder.mkdir(parents=True)
    known = remembered(folder, device=folder.stat().st_dev + 1)
    assert why_disk_away(folder, known) == f"{folder} is empty, and on another disk than before"
    (folder / "x.png").touch()
    assert why_disk_away(folder, known) == ""  # moved to a larger disk
    held = known._replace(hold="it is on another file system")
    assert "is on hold, and on another disk" in why_disk_away(folder, held)
    assert why_disk_away(folder, held._replace(is_accepted=True)) == ""
    shutil.rmtree(tmp_path / "media")
    assert "is missing, and its place is on another disk" in why_disk_away(folder, known)


def test_a_folder_that_was_never_seen_there_may_be_brought_back_anywhere(tmp_path: Path) -> None:
    other = remembered(tmp_path, device=tmp_path.stat().st_dev + 1)
    assert why_disk_away(tmp_path, None) == ""
    assert why_disk_away(tmp_path, other._replace(inode=0)) == ""
    assert why_disk_away(tmp_path, other._replace(path="/elsewhere")) == ""
