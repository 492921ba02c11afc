"""Fault 20: the disk of the store, of the folders, or both goes away while pixd works, and comes
back. Nothing is lost, nothing is done again, nothing is written where the disk should be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.stubbed import ROOT

PRIVATELY = ["unshare", "-m"]
SEED = 20


def can_mount() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    command = [*PRIVATELY, "mount", "-t", "tmpfs", "pixd-test", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(1800)
def test_disks_that_are_unplugged_at_any_moment(
    tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    if not can_mount():
        pytest.skip("needs root and a mount namespace of its own")
    count = 20 if is_full_size else 3
    command = [*PRIVATELY, sys.executable, "-m", "tests.faults.unplugged"]
    done = subprocess.run(
        [*command, str(tmp_path / "p"), str(count), str(SEED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["code"] == found["tracebacks"] == 0, found
    assert not found["untrue"], found["untrue"]
    assert not found["blemishes"], found["blemishes"]
    figure(
        20,
        f"store, folders or both unplugged {count} times while training, translating, idle",
        pixd=f"{found['lost']} lost, {found['redone']} done again,"
        f" {len(found['written'])} written under a mount point; said after at most"
        f" {found['slowest_s']:.1f} s, healed",
        bar="0 lost, 0 done again, 0 written under a mount point, heals",
        met=not (found["lost"] or found["redone"] or found["written"]),
    )
