"""Fault 18: a second service, a lock file that a killed one left, and a pid that was used again."""

from __future__ import annotations

import os
import signal
import time

from tests.faults.conftest import Figure
from tests.support.tiny import Tiny


def test_a_second_service_names_the_first_and_leaves_the_store_to_it(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    attempts = 20 if is_full_size else 3
    stub.start()
    assert stub.service is not None
    lock = stub.folder / "store" / "lock"
    held_by = lock.read_text()
    refused = 0
    slowest_s = 0.0
    for _ in range(attempts):
        began = time.monotonic()
        second = stub.pixd("run")
        slowest_s = max(slowest_s, time.monotonic() - began)
        refused += second.returncode == 1 and f"(pid {stub.service.pid})" in second.stderr
    works = stub.pixd("status").stdout.startswith("OK")
    figure(
        18,
        "a second service on the same store",
        pixd=f"{refused} of {attempts} exit 1 with the holder's pid, slowest {slowest_s:.1f} s",
        bar="all; the first goes on",
        met=refused == attempts and works and lock.read_text() == held_by,
    )
    assert stub.stop() == 0


def test_a_lock_file_left_by_a_kill_stops_nobody(stub: Tiny, figure: Figure) -> None:
    lock = stub.folder / "store" / "lock"
    stub.start()
    stub.stop(signal.SIGKILL)
    left = lock.read_text()
    gone = stub.pixd("status").stdout.startswith("NOT RUNNING")
    done = stub.pixd("run", "--once")
    # A pid that lives again, and is no pixd: this very process.
    lock.write_text(f"{os.getpid()}\n")
    reused = stub.pixd("run", "--once")
    not_running = stub.pixd("status").stdout.startswith("NOT RUNNING")
    lock.write_text("no pid at all\n" * 1000)
    rubbish = stub.pixd("run", "--once")
    figure(
        18.1,
        "stale lock file, reused pid, rubbish in it",
        pixd=f"exit {done.returncode}, {reused.returncode}, {rubbish.returncode}",
        bar="starts every time, and status is not fooled",
        met=bool(
            left
            and gone
            and not_running
            and done.returncode == reused.returncode == rubbish.returncode == 0
        ),
    )


def test_children_do_not_hold_the_lock_of_a_killed_service(stub: Tiny, figure: Figure) -> None:
    stub.tune(steps=100_000, seed=1)
    stub.start()
    part = stub.until(lambda p: p["train"]["step"] > 0)
    assert part["train"]["state"] == "running"
    stub.stop(signal.SIGKILL)
    began = time.monotonic()
    stub.start()
    took_s = time.monotonic() - began
    lost = stub.until(lambda p: p["train"]["state"] == "running")["train"]["run"]
    figure(
        18.2,
        "killed with a training under way, started again at once",
        pixd=f"up after {took_s:.1f} s, the training is taken up as run {lost}",
        bar="starts, takes it up",
        met=lost != part["train"]["run"],
    )
