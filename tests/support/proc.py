"""What a process costs, read from /proc: memory, processor time, descriptors, threads, watches."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Proc:
    """One running process, without its children."""

    def __init__(self, pid: int) -> None:
        self.folder = Path(f"/proc/{pid}")

    def memory_mb(self, *, peak: bool = False) -> float:
        """Return its resident memory, or the most that it ever was."""
        field = "VmHWM:" if peak else "VmRSS:"
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError(f"{self.folder} has no {field}")

    def cpu_s(self) -> float:
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def descriptors(self) -> int:
        return len(list((self.folder / "fd").iterdir()))

    def threads(self) -> int:
        return len(list((self.folder / "task").iterdir()))

    def watches(self) -> int:
        """Return how many folders its inotify instances watch."""
        count = 0
        for entry in (self.folder / "fdinfo").iterdir():
            try:
                count += entry.read_text().count("inotify wd:")
            except FileNotFoundError:  # closed as we look
                continue
        return count
