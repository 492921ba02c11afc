"""Compares a rescan of an unchanged folder with a bare scandir and stat of the same tree.

Usage: python benchmarks/scan_speed.py [FILES] (100000), in 100 sub-folders. The two run in pairs.
pixd's side is everything that it does every half minute: list, stamp, compare with what the store
knows, look for missing files. Processor seconds are compared, so that other programs do not count.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pixd.folders.intake import Intake
from pixd.store.opening import open_store

PAIRS = 9
FOLDERS = 100
AT_REST_S = 5.0  # no file waits to be looked at again


def bare(root: str) -> int:
    """List and stat everything below `root`, and keep nothing."""
    count = 0
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="pixd-scan-") as at:
        root = Path(at) / "input"
        for folder in range(FOLDERS):
            (root / f"{folder:02d}").mkdir(parents=True)
        for number in range(files):
            (root / f"{number % FOLDERS:02d}" / f"{number:06d}.png").write_bytes(b"%d" % number)
        store = open_store(Path(at) / "store")
        intake = Intake(store, "p", "input", root, settle_seconds=0.1, wake=lambda: None)
        while intake.next_at() < time.monotonic() + AT_REST_S or not intake.is_calm:
            intake.step(time.monotonic())
            time.sleep(0.01)
        bare(str(root))
        pairs = []
        for _ in range(PAIRS):
            began = time.process_time()
            assert bare(str(root)) == files
            between = time.process_time()
            intake.scan_soon()
            intake.step(time.monotonic())
            pairs.append((time.process_time() - between, between - began))
        intake.stop()
        store.close()
    ratio = statistics.median(mine / other for mine, other in pairs)
    print(f"{files:,} files, unchanged, {PAIRS} pairs")
    print(f"pixd's rescan         median {statistics.median(p[0] for p in pairs) * 1000:6.0f} ms")
    print(f"scandir and stat      median {statistics.median(p[1] for p in pairs) * 1000:6.0f} ms")
    print(f"ratio, pair by pair   median {ratio:6.2f}  (bar: under 1.5)")


if __name__ == "__main__":
    main()
