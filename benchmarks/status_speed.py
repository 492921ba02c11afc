"""Measures how long `pixd status` and `python -c 'import sqlite3'` take, in pairs.

Usage: python benchmarks/status_speed.py [CONFIG]. Without CONFIG, a store with 1,000 commits and
50,000 inputs is made, and used while the service trains on it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fixtures.service_folder import ServiceFolder

from pixd.store.commits import Change
from pixd.store.opening import open_store

PAIRS = 25
COMMITS, INPUTS = 1_000, 50_000


def make(folder: ServiceFolder) -> None:
    """Make a store with a long history and many inputs."""
    folder.configure("steps: 1000000")
    folder.add_pairs(8)
    for number in range(INPUTS):
        sub = folder.path / "input" / f"{number // 1000:02d}"
        if number % 1000 == 0:
            sub.mkdir()
        (sub / f"image-{number:05d}.png").write_bytes(b"image %d" % number)
    add_commits(folder.path)


def add_commits(folder: Path) -> None:
    """Record a folder that changed many times."""
    store = open_store(folder / "store")
    repo = store.history.repo_id("p", "training")
    with store.transaction():
        store.working.mark_settling(repo, ["old.png"])
    before = None
    for number in range(COMMITS):
        stored = store.objects.add(b"%d" % number)
        changes = [Change("old.png", before, stored.digest)]
        before = stored.digest
        store.objects.flush()
        with store.transaction():
            store.history.add_objects([stored], "image/png")
            store.db.conn.execute("UPDATE file SET digest = ?", (stored.digest,))
            manifest = store.history.prepare_version(repo, changes, store.working)
            store.objects.flush()
            store.history.commit(
                repo, manifest, changes, change_id=f"c{number}", reason="~1 file",
                objects={stored.digest: stored},
            )  # fmt: skip
    store.close()


def until_it_trains(folder: ServiceFolder, service: subprocess.Popen[bytes]) -> str:
    began = time.monotonic()
    while service.poll() is None and time.monotonic() - began < 500:
        part = folder.status()
        if part and part["train"]["step"] and part["input"]["queued"] == INPUTS:
            return (
                f"training at step {part['train']['step']},"
                f" {part['training']['commit']} commits, {part['input']['files']} inputs"
            )
        time.sleep(1)
    raise SystemExit("it never trained: " + (folder.path / "log").read_text())


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def measure(config: str) -> None:
    status = [str(Path(sys.executable).with_name("pixd")), "--config", config, "status"]
    bare = [sys.executable, "-c", "import sqlite3"]
    seconds(status), seconds(bare)  # warm the page cache
    pairs = [(seconds(status), seconds(bare)) for _ in range(PAIRS)]
    ratios = sorted(one / other for one, other in pairs)
    print(f"pixd status           median {statistics.median(p[0] for p in pairs) * 1000:6.0f} ms")
    print(f"import sqlite3        median {statistics.median(p[1] for p in pairs) * 1000:6.0f} ms")
    print(f"ratio, pair by pair   median {statistics.median(ratios):6.2f}  (bar: under 5)")


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = ServiceFolder(Path(name), px=64, ngf=16, settle_s=0.2)
        make(folder)
        with folder.running() as service:
            print(until_it_trains(folder, service))
            measure(str(folder.path / "config.yaml"))


if __name__ == "__main__":
    main()
