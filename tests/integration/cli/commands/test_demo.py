"""`pixd demo` in a pipe, as in CI or before `tee`, says what it does while it does it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def test_a_demo_in_a_pipe_says_each_step_when_it_begins(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    told = tmp_path / "told"
    with told.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "pixd", "demo", str(tmp_path / "demo"), "--pairs", "4"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "2. started" in told.read_text())
        wait_until(lambda: "waiting" in told.read_text() or "training" in told.read_text())
        assert demo.poll() is None
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait()
    lines = told.read_text().splitlines()
    assert lines[0] == "drawing the pictures"
    assert lines[1].startswith("1. made 4 pairs")
