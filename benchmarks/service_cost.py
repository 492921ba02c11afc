"""Measures what the idle service costs: its memory and processor time, without its children.

Usage: python benchmarks/service_cost.py [SECONDS [FILES]] (60, 1000). Two pipelines have that many
files each. What must not grow is printed at the beginning and at the end. The next rescan waits 200
times as long as the last one took. So with 50,000 files each, give it 150 seconds, so that some
rescans are included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fixtures.processes import cpu_s

CONFIG = """\
store: ./store
pipelines:
  one: {training: ./1/training, input: ./1/input, output: ./1/output}
  two: {training: ./2/training, input: ./2/input, output: ./2/output}
"""


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


def held(pid: int) -> str:
    """Say what a process holds."""
    descriptors, threads = (
        len(list(Path(f"/proc/{pid}/{kind}").iterdir())) for kind in ("fd", "task")
    )
    return f"{rss_mb(pid):.1f} MB resident, {descriptors} descriptors, {threads} threads"


def until_all_is_taken_in(config: Path, files: int) -> None:
    status = [sys.executable, "-m", "pixd", "--config", str(config), "status", "--json"]
    while True:
        told = subprocess.run(status, capture_output=True, check=False).stdout
        pipelines = json.loads(told)["pipelines"].values() if told else []
        if sum(pipeline["input"]["queued"] for pipeline in pipelines) == 2 * files:
            return
        time.sleep(1)


def main() -> None:
    watch_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        for pipeline in ("1", "2"):
            inputs = folder / pipeline / "input"
            inputs.mkdir(parents=True)
            (folder / pipeline / "training").mkdir()  # else the service waits for it
            for number in range(files):
                (inputs / f"{number}.png").write_bytes(b"%d" % number)
        command = [sys.executable, "-m", "pixd", "--config", str(folder / "config.yaml"), "run"]
        service = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            until_all_is_taken_in(folder / "config.yaml", files)
            time.sleep(15)  # the last files settle, and memory is freed
            at_first = held(service.pid)
            before, began = cpu_s(service.pid), time.monotonic()
            time.sleep(watch_s)
            used = cpu_s(service.pid) - before
            share = 100 * used / (time.monotonic() - began)
            print(f"idle, two pipelines, {2 * files} files, {watch_s:.0f} s")
            print(f"processor   {share:6.2f} % of one core  (bar: under 0.5 %)")
            print(f"at first    {at_first}")
            print(f"at the end  {held(service.pid)}  (bar: under 100 MB, and flat)")
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
