"""The folder of an attempt: nothing outside of it is named, and what a dead host left goes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from pixd.cluster.work_folder import OutsideError, WorkFolder


@pytest.mark.parametrize("path", ["../other", "/etc/passwd", "a/../../b"])
def test_a_path_outside_is_refused(tmp_path: Path, path: str) -> None:
    work = WorkFolder(tmp_path / "work", "1-1-a")
    with pytest.raises(OutsideError):
        work.inside(path)
    assert work.inside("a/../b") == tmp_path / "work" / "1-1-a" / "b"
    work.remove()
    assert list((tmp_path / "work").iterdir()) == []


def test_folders_of_dead_hosts_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    above = tmp_path / "work"
    for name in ("dead", "alive"):
        (above / name).mkdir(parents=True)
        (above / name / "file").touch()
        (above / f"{name}.lock").touch()
    alive = os.open(above / "alive.lock", os.O_RDWR)
    fcntl.flock(alive, fcntl.LOCK_EX)
    work = WorkFolder(above, "new")
    assert sorted(path.name for path in above.iterdir() if path.is_dir()) == ["alive", "new"]
    work.remove()
    os.close(alive)
