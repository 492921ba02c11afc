"""Nothing is put into a watched folder whose disk is away, also where no service has noticed yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pixd.folders.away import why_away
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
    assert "on hold: most is gone" in why_away(tmp_path, remembered(tmp_path, hold="most is gone"))
