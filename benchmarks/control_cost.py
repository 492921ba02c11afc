"""Measures what readers and bad clients cost the service: its step time without and with them.

Usage: python benchmarks/control_cost.py [SECONDS] (10, of each of six periods).

Three readers run `pixd status` in a loop, one client asks and never reads the answer, and one sends
rubbish as fast as it can. Periods with and without them take turns, so that other work on the
machine slows both. A step is timed in two ways. The processor time of the loop's own thread is what
clients can cost it. The time by the clock also includes waiting for a processor that readers use.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from pixd.config import Settings
from pixd.config.load import load
from pixd.service import control
from pixd.service.loop import Service
from pixd.system import control_socket

FILES = 1000
STEPS_PER_S = 20.0
READERS = 3
SPELLS = 3
CONFIG = """\
store: ./store
pipelines:
  one: {training: ./1/training, input: ./1/input, output: ./1/output}
  two: {training: ./2/training, input: ./2/input, output: ./2/output}
"""


class TimedService(Service):
    """A service that notes how long each step takes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, lambda _: None)
        self.steps: list[tuple[float, float]] = []

    def step(self, now: float) -> None:
        began, worked = time.perf_counter(), time.thread_time()
        super().step(now)
        self.steps.append((time.thread_time() - worked, time.perf_counter() - began))


class Disturbance:
    """The readers and the bad clients, as processes of their own."""

    def __init__(self, settings: Settings) -> None:
        self._command = [sys.executable, "-m", "pixd", "--config", str(settings.path), "status"]
        self._store = settings.store
        self._children: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> None:
        work = [(read, self._command)] * READERS + [(be_deaf, self._store), (rant, self._store)]
        context = multiprocessing.get_context("spawn")
        for target, argument in work:
            child = context.Process(target=target, args=(argument,))
            child.start()
            self._children.append(child)
        time.sleep(2)  # until all of them run

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.terminate()
            child.join()
        self._children.clear()


def read(command: list[str]) -> None:
    while True:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)


def be_deaf(store: Path) -> None:
    while True:
        with client_of(store) as client:
            client.sendall(b'{"pixd": 1, "op": "gc"}\n')
            time.sleep(control.CLIENT_TIMEOUT_S)


def rant(store: Path) -> None:
    while True:
        with client_of(store) as client, contextlib.suppress(OSError):
            client.sendall(b"[" * 1000 + b"\n")


def client_of(store: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    control_socket.connect(client, store)
    return client


def drive(service: TimedService, spell_s: float, found: list[list[tuple[float, float]]]) -> None:
    """Wake the loop at a steady rate, without and with the clients, then end it."""
    pace(service, 15.0)  # until the service has read everything
    for _ in range(SPELLS):
        for is_disturbed in (False, True):
            with Disturbance(service.settings) if is_disturbed else contextlib.nullcontext():
                service.steps.clear()
                pace(service, spell_s)
                found[is_disturbed] += service.steps
    os.kill(os.getpid(), signal.SIGTERM)


def pace(service: Service, for_s: float) -> None:
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        service.signals.wake.wake()
        time.sleep(1 / STEPS_PER_S)


def main() -> None:
    spell_s = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(CONFIG)
        for pipeline in ("1", "2"):
            (folder / pipeline / "input").mkdir(parents=True)
            for number in range(FILES):
                (folder / pipeline / "input" / f"{number}.png").write_bytes(b"%d" % number)
        service = TimedService(load(folder / "config.yaml"))
        found: list[list[tuple[float, float]]] = [[], []]
        driver = threading.Thread(target=drive, args=(service, spell_s, found))
        driver.start()
        service.run()
        driver.join()
    for title, which in (("processor time", 0), ("by the clock", 1)):
        quiet, busy = (statistics.median(step[which] for step in steps) for steps in found)
        print(
            f"a step, {title:14}  alone {quiet * 1000:7.3f} ms  with clients {busy * 1000:7.3f} ms"
            f"  {100 * (busy / quiet - 1):+5.1f} %  (bar: +10 %)"
        )
    print(f"steps              {len(found[0])} alone, {len(found[1])} with clients")


if __name__ == "__main__":
    main()
