"""What the machine offers: cores by affinity and cgroup quota, free memory, whether a GPU."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

CORES_VARIABLE: Final = "PIXD_CORES"
"""Environment variable with how many cores a child may use, where whoever starts it says so."""
_CGROUPS: Final = Path("/sys/fs/cgroup")


def available() -> int:
    """Return how many cores this process may use: its affinity and its cgroup's quota.

    Most libraries look only at the affinity. With a quota of two cores on a machine of 64, their
    64 threads would use up each period's quota at once and wait for the rest of the period.
    """
    cores = within(len(os.sched_getaffinity(0)), _cpu_limits())
    told = os.environ.get(CORES_VARIABLE, "")
    return min(cores, max(1, int(told))) if told.isdecimal() else cores


def within(affinity: int, limits: Iterable[str]) -> int:
    """Return the cores that an affinity and CPU limits leave, rounded up, at least 1.

    Args:
        affinity: cores that the process may be scheduled on.
        limits: texts of ``cpu.max``, of the process' cgroup and of those above: a quota and a
            period in microseconds, or ``max`` and a period. The smallest limit counts.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, "CPU Interface Files".
    """
    cores = float(affinity)
    for limit in limits:
        with contextlib.suppress(ValueError, ZeroDivisionError):  # "max", or unknown text
            quota, period = (int(number) for number in limit.split())
            cores = min(cores, quota / period)
    return max(1, math.ceil(cores))


def cgroups_above(proc_cgroup: str) -> list[str]:
    """Return a process' cgroup v2, then those above it, relative to the mount.

    Args:
        proc_cgroup: text of ``/proc/self/cgroup``; the line of v2 begins with ``0::``.
    """
    for line in proc_cgroup.splitlines():
        if line.startswith("0::/"):
            own = PurePosixPath(line.removeprefix("0::/"))
            return [str(own), *(str(parent) for parent in own.parents)]
    return []


def _cpu_limits() -> list[str]:
    groups = cgroups_above(text_of(Path("/proc/self/cgroup")))
    return [text_of(_CGROUPS / group / "cpu.max") for group in groups]


def text_of(path: Path) -> str:
    """Return the text of a file of the kernel; "" if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def free_bytes() -> int:
    """Return the memory available without swapping; 1 GiB if the system does not say."""
    for line in text_of(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 1 << 30


def has_gpu() -> bool:
    """Tell whether the NVIDIA driver shows a GPU, without importing anything."""
    return os.path.exists("/dev/nvidia0")  # noqa: PTH110 - a device node, not a file of ours
