"""How long a service with many outputs needs until it is ready again, and whether it redoes any.

Usage: python benchmarks/restart_speed.py [OUTPUTS] (10000). A stub-sized model (32 px, ngf 4)
makes the outputs first, at some hundred a second.
"""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

STARTS = 5

CONFIG = """\
store: ./store
device: cpu
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
    image_size: 32
    train: {steps: 2, ngf: 4, ndf: 4, quiet_seconds: 1, promote: always}
"""


def runs(folder: Path) -> int:
    reader = sqlite3.connect(f"file:{folder}/store/lineage.db?mode=ro", uri=True)
    count = reader.execute("SELECT count(*) FROM run").fetchone()[0]
    reader.close()
    return int(count)


def start(folder: Path) -> float:
    """Start the service, stop it once it is up, and return how long that took."""
    live = folder / "store" / "service.json"
    live.unlink()
    began = time.perf_counter()
    service = subprocess.Popen(
        [sys.executable, "-m", "pixd", "run"], cwd=folder, stderr=subprocess.DEVNULL
    )
    while not live.exists():  # the first heartbeat ends the first step; READY=1 comes with it
        time.sleep(0.005)
    ready_s = time.perf_counter() - began
    time.sleep(3)  # what it would redo, it would begin now
    service.terminate()
    service.wait()
    return ready_s


def main() -> None:
    outputs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="pixd-restart-") as at:
        folder = Path(at)
        for name in ("training", "input", "output"):
            (folder / name).mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        for number in range(4):
            Image.effect_noise((64, 32), 90).save(folder / "training" / f"{number}.png")
        for number in range(outputs):
            image = Image.new("RGB", (32, 32), (number % 256, number // 256 % 256, number >> 16))
            image.save(folder / "input" / f"{number:06d}.png")
        once = [sys.executable, "-m", "pixd", "run", "--once"]
        subprocess.run(once, cwd=folder, stderr=subprocess.DEVNULL, check=True)
        made = len(list((folder / "output").iterdir()))
        before = runs(folder)
        seconds = [start(folder) for _ in range(STARTS)]
        redone = runs(folder) - before
    print(f"restart with {made:,} outputs, {STARTS} times")
    print(
        f"ready in    median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s  (bar: 3)"
    )
    print(f"done again  {redone} runs  (bar: 0)")


if __name__ == "__main__":
    main()
