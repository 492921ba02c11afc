"""Measures what recording a folder costs, in pixd and in DVC: same files, same disk, same run.

Usage: python benchmarks/lineage_vs_dvc.py [--files N] [--bytes N] [--rounds N] [--dvc PATH].
Without --dvc, DVC is installed once into an environment of its own, under ~/.cache/pixd.

How the comparison is fair, and what differs:
- Whole commands are timed, from start to exit, taken in turn, and the medians are printed.
- pixd runs as `pixd run --once` on an input folder of a pipeline without a model: new files are
  recorded and wait. `settle_seconds` is 0, because `dvc add` does not check either whether a file
  is still being written; with the default, pixd waits 2 s more.
- pixd has synced all bytes to the disk when it ends. DVC syncs nothing; the time of a `sync` after
  `dvc add` is printed separately and not counted.
- DVC keeps its defaults: reflinks if the file system can make them, else copies. Its analytics are
  off.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fixtures.environments import installed

DVC = "dvc==3.67.1"
CONFIG = """\
pipelines:
  p: {training: ./training, input: ./input, output: ./output, settle_seconds: 0}
"""
# Both are measured like installed programs, with their byte code on the disk.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
CHANGED = "00007.png"
ROUNDS = 7


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Tool:
    """One program in a folder of its own."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        self.command = command

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [*self.command, *words],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join([*self.command, *words])}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def seconds(self, *words: str) -> float:
        """Run a command; return its seconds from start to exit."""
        return timed(lambda: self(*words))


def fill(folders: list[Path], files: int, size_bytes: int) -> None:
    rng = random.Random(0)
    for number in range(files):
        content = rng.randbytes(size_bytes)
        for folder in folders:
            (folder / f"{number:05d}.png").write_bytes(content)
    os.sync()


def prepared(folder: Path, dvc_program: str) -> tuple[Tool, Tool]:
    """Make the two folders of one round. Each round has its own, and nothing is deleted before
    a measurement: on ext4, making files is slow if many were just removed."""
    folders = [folder / "dvc" / "data", folder / "pixd" / "input"]
    for made in folders:
        made.mkdir(parents=True)
    (folders[1].parent / "config.yaml").write_text(CONFIG)
    dvc = Tool(folders[0].parent, dvc_program)
    dvc("init", "--no-scm", "--quiet")
    dvc("config", "core.analytics", "false")
    dvc("config", "core.check_update", "false")
    # Else DVC would leave what it remembers of this folder under /var/tmp.
    dvc("config", "core.site_cache_dir", str(dvc.folder / "site"))
    return dvc, Tool(folders[1].parent, str(Path(sys.executable).with_name("pixd")))


def limits(folder: Path) -> tuple[float, float]:
    def hash_all() -> None:
        for path in sorted(folder.iterdir()):
            hashlib.sha256(path.read_bytes()).digest()

    copy = folder.with_name("copy")
    copying = timed(lambda: subprocess.run(["cp", "-r", folder, copy], check=True))  # noqa: S607 - coreutils
    shutil.rmtree(copy)
    return timed(hash_all), copying


def by_the_service(pixd: Tool) -> tuple[float, float]:
    """Return how long a running `pixd run` takes, which is the usual way to use pixd.

    Returns:
        Seconds from the request for a scan of the whole folder to its result in the heartbeat, and
        from the write of one file to the report of its commit.
    """
    service = subprocess.Popen(
        [*pixd.command, "run"], cwd=pixd.folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    assert service.stderr is not None
    try:
        while '"idle": true' not in live(pixd.folder):
            time.sleep(0.05)
        looks, took = [], []
        for number in range(ROUNDS):
            before = live(pixd.folder)
            began = time.perf_counter()
            service.send_signal(signal.SIGUSR1)
            while live(pixd.folder) == before:
                time.sleep(0.001)
            looks.append(time.perf_counter() - began)
            began = time.perf_counter()
            (pixd.folder / "input" / CHANGED).write_bytes(b"seen %d" % number)
            while "input@" not in service.stderr.readline():
                pass
            took.append(time.perf_counter() - began)
            time.sleep(1)  # a second change within 0.5 s would wait for a common commit
        return statistics.median(looks), statistics.median(took)
    finally:
        service.terminate()
        service.wait()


def live(folder: Path) -> str:
    path = folder / "store" / "service.json"
    text = path.read_text() if path.exists() else ""
    return "" if "stopped_at" in text else text


def first_record(rounds: list[tuple[Tool, Tool]]) -> tuple[float, float, float]:
    """Return the median seconds of `dvc add`, of `sync` after it, and of `pixd run --once`."""
    took = []
    for dvc, pixd in rounds:
        add = dvc.seconds("add", "data")
        sync = timed(os.sync)
        took.append((add, sync, pixd.seconds("run", "--once")))
    adds, syncs, runs = zip(*took, strict=True)
    return statistics.median(adds), statistics.median(syncs), statistics.median(runs)


def later(dvc: Tool, pixd: Tool, size_bytes: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds (DVC, pixd) of the operations after the first record."""
    kept = dvc.folder / "first-version"
    shutil.copy(dvc.folder / "data.dvc", kept)
    # A large folder is recorded in several commits; the last one has all of it.
    whole = json.loads(pixd("log", "input", "-n", "1", "--json"))[0]["name"]
    rng = random.Random(1)
    nothing, change, back = [], [], []
    for _ in range(ROUNDS):
        nothing.append((dvc.seconds("status"), pixd.seconds("plan")))
        content = rng.randbytes(size_bytes)
        (dvc.folder / "data" / CHANGED).write_bytes(content)
        (pixd.folder / "input" / CHANGED).write_bytes(content)
        change.append((dvc.seconds("add", "data"), pixd.seconds("run", "--once")))
        shutil.copy(kept, dvc.folder / "data.dvc")
        back.append(
            (
                dvc.seconds("checkout"),
                pixd.seconds("restore", whole, "--yes"),
            )
        )
        both = [f / CHANGED for f in (dvc.folder / "data", pixd.folder / "input")]
        assert both[0].read_bytes() == both[1].read_bytes() != content
        pixd("run", "--once")  # the restored file is a commit of its own; DVC needs none

    def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
        return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)

    return {
        "nothing changed": medians(nothing),
        "one file changed": medians(change),
        "old version back": medians(back),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, add_help=True)
    arguments.add_argument("--files", type=int, default=5000)
    arguments.add_argument("--bytes", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=3, help="of the first record")
    arguments.add_argument("--dvc", default="")
    args = arguments.parse_args()
    program = args.dvc or str(installed(DVC, instead="name one that is: --dvc PATH") / "dvc")
    with tempfile.TemporaryDirectory() as name:
        rounds = [prepared(Path(name, str(number)), program) for number in range(args.rounds)]
        fill([t.folder / f for d, p in rounds for t, f in ((d, "data"), (p, "input"))],
             args.files, args.bytes)  # fmt: skip
        dvc, pixd = rounds[-1]
        dvc("--version"), pixd("--version")  # their byte code is written
        time.sleep(2)  # pixd looks once more at a file that changed a moment ago
        add_s, sync_s, run_s = first_record(rounds)
        rows = {"first record": (add_s, run_s), **later(dvc, pixd, args.bytes)}
        print(f"{args.files} files of {args.bytes} bytes; DVC {dvc('--version').strip()}, defaults")
        print(f"{'':18} {'DVC s':>8} {'pixd s':>8} {'ratio':>7}")
        for what, (dvc_s, pixd_s) in rows.items():
            bar = 2 if what == "first record" else 10
            print(f"{what:18} {dvc_s:8.3f} {pixd_s:8.3f} {dvc_s / pixd_s:7.1f}  (bar: {bar})")
        look_s, commit_s = by_the_service(pixd)
        print("the same by a running `pixd run`, beside the same DVC commands:")
        for what, pixd_s in (("nothing changed", look_s), ("one file changed", commit_s)):
            dvc_s = rows[what][0]
            print(f"{what:18} {dvc_s:8.3f} {pixd_s:8.3f} {dvc_s / pixd_s:7.1f}  (bar: 10)")
        hashing, copying = limits(dvc.folder / "data")
        print(f"limits: sha256 of all {hashing:.3f} s, cp -r {copying:.3f} s without a sync;")
        print(f"        sync after `dvc add` {sync_s:.3f} s more; pixd has synced")


if __name__ == "__main__":
    main()
