"""The processes below a running service: found by what they run, without asking it."""

from __future__ import annotations

import os
import re
from pathlib import Path


def below(pid: int) -> dict[int, str]:
    """Return the command line of every process below `pid`, by its pid."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            about = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it ended as we looked
            continue
        parents[int(folder.name)] = int(about[about.rindex(")") + 2 :].split()[1])
        commands[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    # Between fork and exec a child shows the command line of its parent, and is not yet itself.
    forked = {child for child in found if commands[child] == commands.get(parents[child])}
    return {child: commands[child] for child in found - forked - {pid}}


def running(pid: int, module: str) -> list[int]:
    """Return the pids below `pid` that run ``python -m MODULE``."""
    return [child for child, command in below(pid).items() if f" -m {module}" in f"{command} "]


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident, or 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still after SIGSTOP."""
    about = Path(f"/proc/{pid}/stat").read_text()
    return about[about.rindex(")") + 2] == "T"


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to each."""
    for pid in pids:
        os.kill(pid, number)
