"""Fault 4: the disk of the output, of the store, or of both is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.full_disk import WITHIN_S
from tests.faults.stubbed import ROOT

# Root may mount in a namespace of its own; others may where user namespaces are allowed.
PRIVATELY = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]


def why_not() -> str:
    """Say why no small disk can be made here, or ""."""
    try:
        tried = subprocess.run(
            [*PRIVATELY, "mount", "-t", "tmpfs", "-o", "size=1m", "pixd-test", "/mnt"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        return str(error)
    return tried.stderr.strip()


def on_small_disks(*words: object) -> dict[str, Any]:
    """Run `tests.faults.full_disk` where it may mount, and return what it saw."""
    done = subprocess.run(
        [*PRIVATELY, sys.executable, "-m", "tests.faults.full_disk", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("how", ["served", "alone"])
def test_gc_makes_room_on_a_disk_without_one_free_byte(tmp_path: Path, how: str) -> None:
    if reason := why_not():
        pytest.skip(f"no small disk can be mounted here: {reason}")
    seen = on_small_disks(tmp_path / "tiny", "store", "gc", how)
    assert seen["codes"] == [0, 0, 0], seen["said"]
    assert seen["free_bytes"] > 1_000_000
    assert seen["verified"] == 0


@pytest.mark.parametrize("how", ["full", "short"])
@pytest.mark.parametrize(("number", "which"), [(4, "output"), (4.1, "store"), (4.2, "both")])
def test_a_full_disk_blocks_and_work_goes_on_when_there_is_room(
    tmp_path: Path, figure: Figure, number: float, which: str, how: str, *, is_full_size: bool
) -> None:
    if reason := why_not():
        pytest.skip(f"no small disk can be mounted here: {reason}")
    if not is_full_size and (which, how) not in {("output", "full"), ("store", "full")}:
        pytest.skip("only at full size")
    seen = on_small_disks(tmp_path / "tiny", which, how)
    assert seen["reasons"]
    assert seen["is_intact"], "an output that stood was changed"
    assert seen["outputs"] == [f"in-{n:04d}.png" for n in range(4)]
    assert (seen["code"], seen["failed"], seen["blemishes"]) == (0, 0, [])
    what = "no byte left" if how == "full" else "under keep.free_bytes"
    figure(
        number + (0.05 if how == "short" else 0),
        f"disk of {which} full ({what})",
        pixd=f"BLOCKED shown, outputs intact, went on after {seen['went_on_s']:.0f} s",
        bar=f"within {WITHIN_S:.0f} s",
        met=seen["went_on_s"] < WITHIN_S,
    )
