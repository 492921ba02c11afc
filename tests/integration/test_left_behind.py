"""A process that a test forgets is found, whatever environment and folder it has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.left_behind import VARIABLE, end_left_behind, left_behind

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_what_a_test_forgets_is_found_and_ended(tmp_path: Path) -> None:
    assert end_left_behind(tmp_path, within_s=0) == {}
    by_folder = subprocess.Popen(SLEEP, cwd=tmp_path, env={})
    by_variable = subprocess.Popen(SLEEP, cwd="/", env={VARIABLE: str(tmp_path)})
    elsewhere = subprocess.Popen(SLEEP, cwd="/", env={VARIABLE: f"{tmp_path}2"})
    try:
        found = end_left_behind(tmp_path, within_s=0)
        assert set(found) == {by_folder.pid, by_variable.pid}
        assert str(tmp_path) in found[by_folder.pid]
        assert (by_folder.wait(30), by_variable.wait(30)) == (-9, -9)
        assert elsewhere.poll() is None
        assert left_behind(tmp_path) == {}
    finally:
        elsewhere.kill()
        elsewhere.wait()
