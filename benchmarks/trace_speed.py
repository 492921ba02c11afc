"""Measures how long `pixd trace` takes for an output that comes from 5,000 training images.

Usage: python benchmarks/trace_speed.py [FILES] (5000). Whole commands are timed; medians are shown.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from fixtures.lineage_store import LineageStore

ROUNDS = 15


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as name:
        lineage = LineageStore(Path(name), files)
        lineage.store.close()
        output = str(lineage.output)
        print(f"pixd trace of an output of {files} training images  (bar: under 0.5 s)")
        for words in ((), ("--all",), ("--json",), ("--format", "prov")):
            lineage.pixd("trace", output, *words)  # warm the page cache
            took = [lineage.pixd("trace", output, *words) for _ in range(ROUNDS)]
            form = " ".join(words) or "text"
            print(f"{form:14} median {statistics.median(took):6.3f} s, slowest {max(took):6.3f} s")


if __name__ == "__main__":
    main()
