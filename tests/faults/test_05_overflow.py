"""The kernel's queue of events overflows while nobody reads it; no image may be missed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.support.tiny import Tiny, small_png

NAIVE = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "naive_watcher.py"
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Naive:
    """The naive script on the same input folder, with an output folder of its own."""

    def __init__(self, tiny: Tiny) -> None:
        self.output = tiny.folder / "naive"
        self.output.mkdir()
        self._said = tiny.folder / "naive.log"
        with self._said.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(NAIVE), str(tiny.folder / "input"), str(self.output)],
                stdout=log,
                stderr=subprocess.DEVNULL,
            )

    def is_watching(self) -> bool:
        return b"watching" in self._said.read_bytes()

    def until_still(self, still_s: float, timeout_s: float) -> int:
        """Return how many images it has translated once it translates no more."""
        ends_at = time.monotonic() + timeout_s
        count, changed_at = -1, time.monotonic()
        while time.monotonic() < ends_at and time.monotonic() - changed_at < still_s:
            found = len(list(self.output.iterdir()))
            if found != count:
                count, changed_at = found, time.monotonic()
            time.sleep(0.2)
        return count


@pytest.fixture
def naive(stub: Tiny) -> Iterator[Naive]:
    script = Naive(stub)
    yield script
    script.process.kill()
    script.process.wait()


def fill_the_queue(folder: Path, events: int) -> None:
    """Raise more events than the kernel keeps, by files that pixd and the script pass over."""
    for number in range(events // 2):
        noise = folder / f"noise-{number % 2}.tmp"  # in turns: the kernel joins equal neighbours
        noise.write_bytes(b"")
    for number in range(2):
        (folder / f"noise-{number}.tmp").unlink()


def overflows_of(tiny: Tiny) -> int:
    live = json.loads((tiny.folder / "store" / "service.json").read_text())
    return int(live["pipelines"]["tiny"]["input"]["overflows"])


@pytest.mark.timeout(600)
def test_what_came_while_the_queue_overflowed_is_translated(
    stub: Tiny,
    naive: Naive,
    figure: Figure,
    wait_until: Callable[..., None],
    *,
    is_full_size: bool,
) -> None:
    images = 20_000 if is_full_size else 300
    stub.start()
    assert stub.service is not None
    stub.inputs(range(1))
    stub.until(lambda part: part["input"]["translated"] == 1)
    wait_until(naive.is_watching, 20)
    folder = stub.folder / "input"
    stopped = (stub.service, naive.process)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    if not is_full_size:  # so few would not fill it
        fill_the_queue(folder, 3 * int(QUEUE.read_text()))
    for number in range(images):
        (folder / f"{number:05d}.png").write_bytes(small_png(number))
    for process in stopped:
        process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    stub.until(lambda part: part["input"]["translated"] == images + 1, 400)
    took_s = time.monotonic() - began
    stub.service.send_signal(signal.SIGUSR1)  # have it say what it counts now
    wait_until(lambda: overflows_of(stub), 15, "the overflow is counted")
    overflows = overflows_of(stub)
    seen = naive.until_still(5.0 if is_full_size else 1.0, 300)
    part = stub.part()["input"]
    figure(
        5,
        f"{images:,} images while the reader of events was stopped",
        pixd=f"{part['translated'] - 1:,} translated, in {took_s:.0f} s;"
        f" {overflows} overflow{'s' * (overflows != 1)} counted",
        bar="all",
        met=part["files"] == part["translated"] == images + 1,
        naive=f"{seen:,} translated, and no word of the others",
    )
