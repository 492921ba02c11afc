"""The folder of an attempt: nothing outside of it is named, and what a dead host left goes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixd.cluster.work_folder import OutsideError, WorkFolder
from tests.conftest import WaitUntil


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


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock here: the next host removes it")
def test_the_folder_of_a_host_that_is_killed_goes_at_once(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    above = tmp_path / "work"
    program = (
        "import sys, time; from pathlib import Path; from pixd.cluster.work_folder import WorkFolder;"
        f"work = WorkFolder(Path({str(above)!r}), 'attempt');"
        "(work.path / 'model').write_text('large'); print('up', flush=True); time.sleep(600)"
    )
    host = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"up\n"
    host.stdout.close()
    assert (above / "attempt" / "model").exists()
    host.kill()
    host.wait()
    wait_until(lambda: list(above.iterdir()) == [], 10)
