"""What test_04 runs in a mount namespace of its own: a pipeline on disks of 14 MB that fill up.

Usage: ``unshare -m python -m tests.faults.full_disk FOLDER output|store|both full|short|gc``, where
gc is followed by served or alone. Prints JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from tests.faults.stubbed import Stubbed

DISK_BYTES = 14_000_000
KEEP_FREE_BYTES = 2_000_000
WITHIN_S = 60.0
LOOK_EVERY_S = 0.25


class SmallDisks:
    """A pipeline whose output, store or both lie on disks of their own."""

    def __init__(self, folder: Path, which: str) -> None:
        Stubbed.free_bytes = KEEP_FREE_BYTES
        self.tiny = Stubbed(folder)
        (folder / "store").mkdir()
        self.disks = [folder / name for name in ("output", "store") if which in (name, "both")]
        for disk in self.disks:
            options = f"size={DISK_BYTES}"
            command = ["mount", "-t", "tmpfs", "-o", options, "pixd-test", str(disk)]
            subprocess.run(command, check=True)

    def fill(self, *, to_the_last_byte: bool) -> None:
        for disk in self.disks:
            with (disk / "filler").open("wb", 0) as filler, contextlib.suppress(OSError):
                while to_the_last_byte or self._free(disk) >= KEEP_FREE_BYTES:
                    filler.write(bytes(4096))

    def make_room(self) -> None:
        for disk in self.disks:
            (disk / "filler").unlink()

    def _free(self, disk: Path) -> int:
        found = os.statvfs(disk)
        return found.f_bavail * found.f_frsize

    def wait(self, is_so: Any, what: str) -> tuple[float, dict[str, Any]]:
        """Wait for a status; return the seconds that it took, and the status."""
        began = time.monotonic()
        while time.monotonic() - began < WITHIN_S:
            done = self.tiny.pixd("status", "--json")
            status = json.loads(done.stdout) if done.stdout else {"state": done.stderr}
            if is_so(status):
                return time.monotonic() - began, status
            assert self.tiny.service
            assert self.tiny.service.poll() is None, self.tiny.log()
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"not {what} within {WITHIN_S} s: {status}\n{self.tiny.log()}")


def translated(status: dict[str, Any]) -> int:
    return int(status["pipelines"]["tiny"]["input"]["translated"]) if "pipelines" in status else -1


def scenario(folder: Path, which: str, *, to_the_last_byte: bool) -> dict[str, Any]:
    disks = SmallDisks(folder, which)
    tiny = disks.tiny
    for number in range(3):
        tiny.drop_pair(number)
    tiny.drop_input(0)
    tiny.spawn()
    disks.wait(lambda s: translated(s) == 1, "translated")
    before = tiny.outputs()
    disks.fill(to_the_last_byte=to_the_last_byte)
    for number in range(1, 4):
        tiny.drop_input(number)
    # An image that was translated before too: it needs no translator, only the output's disk.
    tiny.drop_pair(9)
    _, status = disks.wait(lambda s: s["state"] == "blocked", "blocked")
    reasons = status["reasons"]
    kept = {name: data for name, data in tiny.outputs().items() if name != "filler"}
    is_intact = all(kept.get(name) == data for name, data in before.items())
    is_clean = not tiny.truncated() if "filler" not in tiny.outputs() else True
    disks.make_room()
    went_on_s, status = disks.wait(
        lambda s: (
            translated(s) == 4
            and s["state"] == "ok"
            and s["pipelines"]["tiny"]["model"]["number"] == 2
        ),
        "going on",
    )
    code = tiny.stop()
    return {
        "reasons": reasons,
        "is_intact": is_intact and is_clean,
        "went_on_s": went_on_s,
        "code": code,
        "blemishes": tiny.blemishes(),
        "failed": status["pipelines"]["tiny"]["input"]["failed"],
        "outputs": sorted(tiny.outputs()),
    }


def gc_scenario(folder: Path, *, is_served: bool) -> dict[str, Any]:
    """Fill the store's disk to the last byte and remove what nothing needs, by the commands."""
    disks = SmallDisks(folder, "store")
    tiny = disks.tiny
    inputs = [folder / "input" / f"n{number}.png" for number in range(6)]
    for number in range(3):
        tiny.drop_pair(number)
    for path in inputs:
        Image.effect_noise((500, 500), 90).save(path)
    assert tiny.run("run", "--once") == 0, tiny.log()
    for path in inputs:
        path.unlink()
    assert tiny.run("run", "--once") == 0, tiny.log()
    if is_served:
        tiny.spawn()
        disks.wait(lambda s: s["state"] == "ok" and s["idle"], "idle")
    disks.fill(to_the_last_byte=True)
    if is_served:
        tiny.drop_input(0)
        disks.wait(lambda s: s["state"] == "blocked", "blocked")
    done = [tiny.pixd("gc", *words) for words in ((), ("--apply",), ("--empty-trash",))]
    free_bytes = disks._free(folder / "store")
    if is_served:
        tiny.stop()
    return {
        "codes": [one.returncode for one in done],
        "said": [one.stdout + one.stderr for one in done],
        "free_bytes": free_bytes,
        "verified": tiny.pixd("verify").returncode,
    }


def main() -> None:
    folder, which, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if how == "gc":
        json.dump(gc_scenario(folder, is_served=sys.argv[4] == "served"), sys.stdout)
        return
    json.dump(scenario(folder, which, to_the_last_byte=how == "full"), sys.stdout)


if __name__ == "__main__":
    main()
