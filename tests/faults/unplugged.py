"""What test_20 runs in a mount namespace of its own: a pipeline whose disks go away while it works.

Usage: ``unshare -m python -m tests.faults.unplugged FOLDER COUNT SEED``. Prints JSON. The store and
the three folders are mount points themselves, each of a folder on one tmpfs that stays. So an
unplugged disk leaves an empty folder that can be written, which is the worst case.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from tests.faults.stubbed import Stubbed

WITHIN_S = 120.0
LOOK_EVERY_S = 0.1
SLOWLY = {"PIXD_STUB_TRAIN_S": "2", "PIXD_STUB_TRANSLATE_S": "0.2"}
"""The stubs would be through before a disk is away: what is made meanwhile matters most."""
FOLDERS = ("training", "input", "output")
WHICH = {"store": ("store",), "folders": FOLDERS, "both": ("store", *FOLDERS)}
DURING = ("training", "translating", "idle")
INPUTS = 6


class Mounted(Stubbed):
    """A stubbed pipeline whose folders are on other file systems than the folder around them."""

    def _drop(self, kind: str, name: str, image: Image.Image) -> None:
        made = self.folder / kind / f".{name}"
        image.save(made)
        made.rename(self.folder / kind / name)


class Disks:
    """A pipeline whose store and folders are mounted, and can be unplugged."""

    def __init__(self, folder: Path) -> None:
        self.tiny = Mounted(folder)
        self.backing = folder / "disks"
        self.backing.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "pixd-test", str(self.backing)], check=True)
        for name in WHICH["both"]:
            (self.backing / name).mkdir()
            (folder / name).mkdir(exist_ok=True)
        self.plug(WHICH["both"])
        self.written: list[str] = []

    def plug(self, names: tuple[str, ...]) -> None:
        for name in names:
            place = str(self.tiny.folder / name)
            subprocess.run(["mount", "--bind", str(self.backing / name), place], check=True)

    def unplug(self, names: tuple[str, ...]) -> None:
        for name in names:
            subprocess.run(["umount", "-l", str(self.tiny.folder / name)], check=True)

    def look_below(self, names: tuple[str, ...]) -> None:
        """Note what was written where a disk should be."""
        for name in names:
            self.written += [str(path) for path in (self.tiny.folder / name).rglob("*")]

    def status(self) -> dict[str, Any]:
        from pixd.answers import status
        from pixd.config.load import load
        from pixd.system.errors import CannotTellError

        try:
            return status.snapshot(load(self.tiny.folder / "config.yaml"))
        except CannotTellError as error:  # just as the disk goes or comes
            return {"state": "cannot tell", "reasons": [error.message]}

    def wait(self, is_so: Any, what: str) -> dict[str, Any]:
        ends_at = time.monotonic() + WITHIN_S
        while time.monotonic() < ends_at:
            found = self.status()
            if is_so(found):
                return found
            assert self.tiny.service
            assert self.tiny.service.poll() is None, f"{what}: ended\n{self.tiny.log()}"
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"not {what} within {WITHIN_S} s: {found}\n{self.tiny.log()}")


def _part(status: dict[str, Any]) -> dict[str, Any]:
    return dict(status.get("pipelines", {}).get("tiny", {}))


def _is_through(status: dict[str, Any], inputs: int) -> bool:
    part = _part(status)
    is_calm = status["state"] == "ok" and status["idle"] and not status["starting"]
    return is_calm and part["input"]["translated"] == inputs and not part["model"]["stale"]


def scenario(disks: Disks, count: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    tiny = disks.tiny
    folder = tiny.folder
    pairs = inputs = 0

    def drop(new_pairs: int, new_inputs: int) -> None:
        nonlocal pairs, inputs
        for _ in range(new_pairs):
            tiny.drop_pair(pairs)
            pairs += 1
        for _ in range(new_inputs):
            tiny.drop_input(inputs)
            inputs += 1

    drop(3, 2)
    tiny.spawn(**SLOWLY)
    disks.wait(lambda s: _is_through(s, inputs), "translated")
    plan = [(which, during) for which in WHICH for during in DURING]
    chance.shuffle(plan)
    if count < len(plan):  # every disk once, and every work once
        plan = list(zip(WHICH, DURING, strict=True))
    done, untrue, slowest_s = [], [], 0.0
    for number in range(count):
        which, during = plan[number % len(plan)]
        names = WHICH[which]
        if during == "training":
            drop(1, 0)
            # A quiet service beats seldom, so the record is asked.
            running = "SELECT 1 FROM run WHERE kind = 'train' AND state = 'running'"
            ends_at = time.monotonic() + WITHIN_S
            while not tiny.ask(running):
                assert time.monotonic() < ends_at, f"not training\n{tiny.log()}"
                time.sleep(LOOK_EVERY_S)
        elif during == "translating":
            drop(0, INPUTS)
        time.sleep(chance.uniform(0, 0.5))
        disks.unplug(names)
        began = time.monotonic()
        status = disks.wait(lambda s: s["state"] in {"blocked", "degraded"}, "noticed")
        slowest_s = max(slowest_s, time.monotonic() - began)
        time.sleep(chance.uniform(0.5, 3))
        status = disks.status()
        if not any(str(folder / name) in " ".join(status["reasons"]) for name in names):
            untrue.append(f"{which} while {during}: {status['state']} {status['reasons']}")
        disks.look_below(names)
        disks.plug(names)
        disks.wait(lambda s: _is_through(s, inputs), f"going on after {which} while {during}")
        done.append(f"{which} while {during}")
    code = tiny.stop()
    lost = inputs - len([name for name in tiny.outputs() if not name.startswith(".")])
    again = (
        "SELECT count(*) FROM (SELECT 1 FROM run WHERE state = 'succeeded' AND kind IN"
        " ('train', 'translate') GROUP BY key HAVING count(*) > 1)"
    )
    return {
        "done": done,
        "lost": lost,
        "redone": tiny.ask(again)[0][0],
        "written": disks.written,
        "untrue": untrue,
        "slowest_s": slowest_s,
        "code": code,
        "blemishes": tiny.blemishes(),
        "tracebacks": (folder / "service.log").read_text().count("Traceback"),
    }


def main() -> None:
    os.umask(0o022)
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    disks = Disks(folder)
    try:
        json.dump(scenario(disks, count, seed), sys.stdout)
    finally:
        if disks.tiny.service:  # it would wait for its store for ever
            disks.tiny.stop(signal.SIGKILL)


if __name__ == "__main__":
    main()
