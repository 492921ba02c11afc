"""`pixd demo` in a pipe, as in CI or before `tee`, says what it does while it does it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pixd.cli.commands import demo


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


def test_what_to_try_next_is_typed_as_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (program := tmp_path / "bin" / "pixd").parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert demo._typed() == "bin/pixd"
    monkeypatch.setenv("PATH", str(program.parent))
    assert demo._typed() == "pixd"
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python/pixd/__main__.py"])
    assert demo._typed() == "pixd"
