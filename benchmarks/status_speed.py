"""How long `pixd status` takes, beside `python -c 'import sqlite3'`, in pairs.

Usage: python benchmarks/status_speed.py [CONFIG]. Without one, a store is made and left idle;
give the config of a service that trains to measure beside the training.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 15


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            config = sys.argv[1]
        else:
            config = str(Path(folder) / "config.yaml")
            pixd = [sys.executable, "-m", "pixd"]
            subprocess.run([*pixd, "init", folder], stdout=subprocess.DEVNULL, check=True)
            run = [*pixd, "--config", config, "run", "--once"]
            subprocess.run(run, stderr=subprocess.DEVNULL, check=True)
        status = [str(Path(sys.executable).with_name("pixd")), "--config", config, "status"]
        bare = [sys.executable, "-c", "import sqlite3"]
        seconds(status), seconds(bare)  # warm the page cache
        pairs = [(seconds(status), seconds(bare)) for _ in range(PAIRS)]
    ratios = sorted(one / other for one, other in pairs)
    print(f"pixd status           median {statistics.median(p[0] for p in pairs) * 1000:6.0f} ms")
    print(f"import sqlite3        median {statistics.median(p[1] for p in pairs) * 1000:6.0f} ms")
    print(f"ratio, pair by pair   median {statistics.median(ratios):6.2f}  (bar: under 5)")


if __name__ == "__main__":
    main()
