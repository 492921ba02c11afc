"""Measures how soon a restarted service with many outputs is ready, and whether it redoes any.

Usage: python benchmarks/restart_speed.py [OUTPUTS] (10000). First a tiny model (32 px, ngf 4)
makes the outputs, some hundred a second.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fixtures.service_folder import ServiceFolder
from PIL import Image

STARTS = 5


def runs(folder: Path) -> int:
    reader = sqlite3.connect(f"file:{folder}/store/lineage.db?mode=ro", uri=True)
    count = reader.execute("SELECT count(*) FROM run").fetchone()[0]
    reader.close()
    return int(count)


def start(folder: ServiceFolder) -> float:
    """Start the service, stop it once it is up, and return how long that took."""
    live = folder.path / "store" / "service.json"
    live.unlink()
    began = time.perf_counter()
    with folder.running():
        while not live.exists():  # the first heartbeat ends the first step, as READY=1 does
            time.sleep(0.005)
        ready_s = time.perf_counter() - began
        time.sleep(3)  # if it redoes something, it begins now
    return ready_s


def main() -> None:
    outputs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="pixd-restart-") as at:
        folder = ServiceFolder(Path(at), px=32, ngf=4)
        folder.add_pairs()
        for number in range(outputs):
            image = Image.new("RGB", (32, 32), (number % 256, number // 256 % 256, number >> 16))
            image.save(folder.path / "input" / f"{number:06d}.png")
        folder.run_once()
        made = len(list((folder.path / "output").iterdir()))
        before = runs(folder.path)
        seconds = [start(folder) for _ in range(STARTS)]
        redone = runs(folder.path) - before
    print(f"restart with {made:,} outputs, {STARTS} times")
    print(
        f"ready in    median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s  (bar: 3)"
    )
    print(f"done again  {redone} runs  (bar: 0)")


if __name__ == "__main__":
    main()
