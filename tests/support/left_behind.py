"""Finds processes that tests started and that nobody ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

VARIABLE = "PIXD_TESTS_FOLDER"
"""The folder of the tests that a process belongs to; children inherit it."""
_WITHIN_S = 20.0  # on a busy machine what was killed needs a moment to be gone
_OURS = b"tests.support.fork_server"  # it is needed to the last, and ends with its socket


def left_behind(folder: Path) -> dict[int, str]:
    """Return how each process was started that still lives, by its pid, and where it works.

    Args:
        folder: what was put into `VARIABLE`; or such processes work in it.
    """
    mark = f"{VARIABLE}={folder}".encode()
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended as we looked, or is somebody else's
            command = (process / "cmdline").read_bytes()
            works_in = (process / "cwd").readlink()
            is_marked = mark in (process / "environ").read_bytes().split(b"\0")
            if command and _OURS not in command and (is_marked or works_in.is_relative_to(folder)):
                words = command.replace(b"\0", b" ").decode(errors="replace").strip()
                found[int(process.name)] = f"{words} (in {works_in})"
    return found


def end_left_behind(folder: Path, within_s: float = _WITHIN_S) -> dict[int, str]:
    """Wait for all such processes; end those that live on, and return them as `left_behind` does."""
    ends_at = time.monotonic() + within_s
    while (found := left_behind(folder)) and time.monotonic() < ends_at:
        time.sleep(0.1)
    for pid in found:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return found
