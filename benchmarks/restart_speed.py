"""Measures how soon a restarted service with many outputs is ready, and whether it redoes any.

Usage: python benchmarks/restart_speed.py [OUTPUTS] [--commit HEAD~1]   (10000). First a tiny model
(32 px, ngf 4) makes the outputs, some hundred a second. With --commit a service of that commit starts
over the same store, in turns with this tree's, twice each, and the second time counts. Its schema must be
the same.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from fixtures.service_folder import ServiceFolder
from peers.before import environment_of, tree_of
from PIL import Image

ROOT = Path(__file__).parents[1]
STARTS = 5


def runs(folder: Path) -> int:
    reader = sqlite3.connect(f"file:{folder}/store/lineage.db?mode=ro", uri=True)
    count = reader.execute("SELECT count(*) FROM run").fetchone()[0]
    reader.close()
    return int(count)


def start(folder: ServiceFolder, tree: Path) -> float:
    """Start a tree's service, stop it once it is up, and return how long that took."""
    live = folder.path / "store" / "service.json"
    live.unlink()
    began = time.perf_counter()
    with folder.running(environment_of(tree)):
        while not live.exists():  # the first heartbeat ends the first step, as READY=1 does
            time.sleep(0.005)
        ready_s = time.perf_counter() - began
        time.sleep(3)  # if it redoes something, it begins now
    return ready_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", type=int, nargs="?", default=10_000)
    parser.add_argument("--commit")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(tempfile.TemporaryDirectory(prefix="pixd-restart-"))
        trees = {"this tree": ROOT}
        if args.commit:
            trees[args.commit] = stack.enter_context(tree_of(args.commit))
        folder = ServiceFolder(Path(at), px=32, ngf=4)
        folder.add_pairs()
        for number in range(args.outputs):
            image = Image.new("RGB", (32, 32), (number % 256, number // 256 % 256, number >> 16))
            image.save(folder.path / "input" / f"{number:06d}.png")
        folder.run_once()
        made = len(list((folder.path / "output").iterdir()))
        before = runs(folder.path)
        seconds: dict[str, list[float]] = {name: [] for name in trees}
        for _ in range(STARTS):
            for name, tree in trees.items():
                start(folder, tree)  # what is measured finds the store as its own tree closed it
                seconds[name].append(start(folder, tree))
        redone = runs(folder.path) - before
    print(f"restart with {made:,} outputs, {STARTS} times")
    for name, took in seconds.items():
        print(
            f"{name:12} ready in median {statistics.median(took):.2f} s, at most {max(took):.2f} s"
        )
    print(f"done again   {redone} runs  (bar: 0)")


if __name__ == "__main__":
    main()
