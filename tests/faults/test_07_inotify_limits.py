"""Fault 7: the kernel gives no inotify watch or instance. pixd polls, says so, misses nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pixd.folders.intake import POLL_S
from pixd.folders.watch import PROBE_EVERY_S
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, picture

pytestmark = pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "-Ur", "true"], check=False).returncode != 0,
    reason="user namespaces are not allowed here",
)

FOLDERS = 20


def limit(name: str, value: int) -> tuple[str, ...]:
    """Return a prefix that runs a command in a user namespace of its own with that limit."""
    script = f'echo {value} > /proc/sys/user/{name} && exec "$@"'
    return ("unshare", "-Ur", "sh", "-c", script, "sh")


def drop(folder: Path, count: int) -> None:
    for number in range(count):
        below = folder / f"{number % FOLDERS:02d}"
        below.mkdir(exist_ok=True)
        picture(number).save(below / f"{number:05d}.png")


@pytest.mark.parametrize(
    ("name", "value", "number", "advice"),
    [
        ("max_inotify_watches", 5, 7.1, "max_user_watches"),
        ("max_inotify_instances", 0, 7.2, "max_user_instances"),
    ],
)
def test_without_watches_or_instances_it_polls_says_so_and_misses_nothing(
    bare: Tiny,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
    name: str,
    value: int,
    number: float,
    advice: str,
) -> None:
    count = 1000 if is_full_size else 40
    bare.prefix = limit(name, value)
    drop(bare.folder / "input", FOLDERS)  # sub-folders that are there before the watch is
    bare.start()
    drop(bare.folder / "input", count)
    part = bare.until(lambda p: p["input"]["queued"] == count, 60)
    said = bare.pixd("status").stdout
    assert part["input"]["watch"] == "poll"
    assert advice in part["input"]["watch_why"]
    assert advice in said
    figure(
        number,
        f"{name} {value}, {FOLDERS} sub-folders",
        pixd=f"polls every {POLL_S:g} s, {part['input']['queued']} of {count} taken",
        bar="falls back to polling, says so, 100 %",
        met=part["input"]["queued"] == count,
    )


def test_a_limit_that_is_reached_later_is_noticed(
    bare: Tiny,
    figure: Figure,
    is_full_size: bool,  # noqa: FBT001 - a fixture
) -> None:
    if not is_full_size:
        pytest.skip("waits for two timers: only at full size")
    bare.prefix = limit("max_inotify_watches", 8)
    bare.start()

    def is_watched(kind: str) -> Callable[[object], bool]:
        return lambda _: bare.live()["input"]["watch"] == kind

    bare.until(is_watched("inotify"), 10)
    drop(bare.folder / "input", 2 * FOLDERS)  # watchdog skips the new sub-folders in silence
    bare.until(is_watched("poll"), 3 * PROBE_EVERY_S)
    part = bare.until(lambda p: p["input"]["queued"] == 2 * FOLDERS, 30)
    figure(
        7.3,
        "watches used up by new sub-folders",
        pixd=f"polls, {part['input']['queued']} of {2 * FOLDERS} taken",
        bar="falls back to polling, 100 %",
        met=part["input"]["queued"] == 2 * FOLDERS,
    )
