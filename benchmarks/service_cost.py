"""What the idle service costs: its own memory and processor time, without its children.

Usage: python benchmarks/service_cost.py [SECONDS] [FILES] (60 2000), in two pipelines. A rescan waits
200 times as long as the last took: with 100,000 files give it 150 seconds, so that some are in them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """\
store: ./store
pipelines:
  one: {training: ./1/training, input: ./1/input, output: ./1/output}
  two: {training: ./2/training, input: ./2/input, output: ./2/output}
"""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


def wait_until_recorded(folder: Path, files: int) -> None:
    command = [sys.executable, "-m", "pixd", "status", "--json"]
    while True:
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        parts = json.loads(said.stdout)["pipelines"].values()
        if sum(part["input"]["queued"] for part in parts) == files:
            return
        time.sleep(1)


def main() -> None:
    watch_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        for pipeline in ("1", "2"):
            inputs = folder / pipeline / "input"
            inputs.mkdir(parents=True)
            for number in range(files // 2):
                (inputs / f"{number}.png").write_bytes(b"%d" % number)
        command = [sys.executable, "-m", "pixd", "--config", str(folder / "config.yaml"), "run"]
        service = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until_recorded(folder, files)
            time.sleep(10)
            before, began = cpu_s(service.pid), time.monotonic()
            time.sleep(watch_s)
            used = cpu_s(service.pid) - before
            share = 100 * used / (time.monotonic() - began)
            print(f"idle, two pipelines, {files:,} files, {watch_s:.0f} s")
            print(f"processor   {share:6.2f} % of one core  (bar: under 1 %)")
            print(f"memory      {rss_mb(service.pid):6.1f} MB resident  (bar: under 100 MB)")
            print(f"descriptors {len(list(Path(f'/proc/{service.pid}/fd').iterdir())):6d}")
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
