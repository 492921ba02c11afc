"""Measures what history costs: 1,000 commits of a folder of 5,000 files against 10 commits of it.

Usage: python benchmarks/lineage_growth.py [FILES] [COMMITS] (5000 1000). One store is measured
twice: after 10 one-file commits, and after all of them. Recording is timed as the operation itself,
including sync and transaction; the queries are timed as whole commands. Medians are compared; at
most 1.5 times is wanted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from fixtures.lineage_store import LineageStore

FEW = 10
ROUNDS = 15
LISTED = 72  # bytes of a manifest's line beside the name: digest, size, two spaces, newline


def commit_up_to(lineage: LineageStore, done: int, count: int) -> float:
    """Record changes of one file up to `count`; return the median seconds of the last 100."""
    took = []
    for number in range(done, count):
        began = time.perf_counter()
        lineage.change_one(number)
        took.append(time.perf_counter() - began)
    return statistics.median(took[-100:])


def questions(lineage: LineageStore) -> dict[str, float]:
    asked = {
        "status": ("status",),
        "log -n 20": ("log", "-n", "20"),
        "trace OUTPUT": ("trace", str(lineage.output)),
    }
    for words in asked.values():
        lineage.pixd(*words)  # warm the page cache
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, words in asked.items():
            took[name].append(lineage.pixd(*words))
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def footprint(lineage: LineageStore) -> tuple[int, int]:
    """Return the bytes on the disk of the database and of the objects."""
    lineage.store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    objects = lineage.folder / "store" / "objects"
    return (
        (lineage.folder / "store" / "lineage.db").stat().st_size,
        sum(path.stat().st_size for path in objects.rglob("*") if path.is_file()),
    )


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    commits = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as name:
        lineage = LineageStore(Path(name), files)
        few = {"record one file": commit_up_to(lineage, 0, FEW), **questions(lineage)}
        before = footprint(lineage)
        many = {"record one file": commit_up_to(lineage, FEW, commits), **questions(lineage)}
        after = footprint(lineage)
        listing = sum(len(name) + LISTED for name in lineage.names)
        lineage.store.close()
    print(f"{files} files; one-file commits")
    print(f"{'':18} {FEW:>5} s {commits:>7} s {'ratio':>7}  (bar: 1.5)")
    for what, seconds in few.items():
        print(f"{what:18} {seconds:7.4f} {many[what]:9.4f} {many[what] / seconds:7.2f}")
    database, objects = ((a - b) / (commits - FEW) for a, b in zip(after, before, strict=True))
    print(f"growth a commit    {database:7.0f} bytes of database, {objects:.0f} bytes of objects")
    print(f"a flat listing     {listing:7d} bytes")


if __name__ == "__main__":
    main()
