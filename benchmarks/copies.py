"""Measures what a child costs as a new interpreter and as a copy of one with TensorFlow imported.

Usage: python benchmarks/copies.py [TIMES] (5). The child is `pixd.pix2pix.device`, which imports
TensorFlow, asks it for a GPU and ends. The two ways take turns; processor seconds are of the
child alone. The copies are those of the tests (tests/support/fork_server.py); pixd itself has none.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["OMP_NUM_THREADS"] = "1"  # a process with threads cannot be copied

from pixd.system.children.spec import DeviceSpec, to_json
from pixd.system.children.worker import child_environment
from tests.support import forking


def cost(folder: Path) -> float:
    """Return the processor seconds that one child takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pixd.pix2pix.device", str(folder / "spec.json")]
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=child_environment(),
        stdin=subprocess.PIPE,  # at whose end it would end too
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child.wait()  # without a GPU it says so and exits with 1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    server = forking.ForkServer.started()
    forking.install(lambda: server)
    anew, copied = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = DeviceSpec(device="gpu", scratch=name)
        (folder / "spec.json").write_text(json.dumps(to_json(spec)))
        cost(folder)  # the server imports TensorFlow meanwhile
        for _ in range(times):
            copied.append(cost(folder))
            with forking.all_fresh():
                anew.append(cost(folder))
    print(f"a new interpreter: {statistics.median(anew):.2f} s of a core, median of {times}")
    print(f"a copy:            {statistics.median(copied):.2f} s")
    told = Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines()
    memory = {words[0]: int(words[1]) // 1000 for line in told[1:] if (words := line.split())}
    print(f"the server, idle:  {memory['Rss:']} MB resident, {memory['Pss_Anon:']} MB of its own")


if __name__ == "__main__":
    main()
