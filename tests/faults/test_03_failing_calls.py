"""Fault 3: the n-th write, fsync, rename or open fails, for n = 1, 2, ... until none is left.

The real service in this process, with stub children; the calls of Python's `os`, through which
everything of pixd's goes, fail once each. SQLite's own writes go through its library: there the
disk is full at the n-th page.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.config.load import load
from pixd.service.loop import Service
from pixd.system.children.worker import Worker
from tests.faults.conftest import Figure
from tests.faults.stubbed import STUBS, Stubbed

CALLS = ("open", "write", "fsync", "rename", "mkdir", "link", "replace", "unlink")
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EINTR": errno.EINTR}
PATIENCE_S = 40.0


class Failing:
    """Calls of `os` that fail once, at the n-th of them that changes something of pixd's."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.at = 0
        self.error = 0
        self.count = 0
        self.seen: list[str] = []
        self._folder = str(folder)
        for name in CALLS:
            patch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def arm(self, at: int, error: int) -> None:
        self.at, self.error, self.count = at, error, 0

    def _wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if self.at and self._is_ours(name, arguments):
                self.count += 1
                if self.count == self.at:
                    self.seen.append(name)
                    raise OSError(self.error, os.strerror(self.error))
            return call(*arguments, **options)

        return wrapped

    def _is_ours(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name in {"write", "fsync"}:
            try:
                path = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
            except OSError:
                return False
        else:
            path = str(arguments[-1] if name in {"rename", "replace", "link"} else arguments[0])
        # The user's own folders are another fault: what cannot be read there is refused there.
        return path.startswith((self._folder + "/store", self._folder + "/output"))


class Running:
    """The service, stepped by the test until nothing is left to do."""

    def __init__(self, tiny: Stubbed) -> None:
        self.tiny = tiny
        self.service = Service(load(tiny.folder / "config.yaml"), lambda *_: None)
        self.blocked: set[str] = set()

    def settle(self) -> None:
        """Step until idle. Waits of a blocked service are passed over, not slept through."""
        service, ahead = self.service, 0.0
        ends_at = time.monotonic() + PATIENCE_S
        service.signals.has_asked_to_scan = True
        while True:
            now = time.monotonic() + ahead
            service.step(now)
            if service._blockage:
                self.blocked.add(service._blockage.reason)
                ahead += max(0.0, service._blockage.retry_at - now)
                service.signals.has_asked_to_scan = True
                continue
            blockages = [p.translation._blockage for p in service.pipelines]
            if any(blockages):
                self.blocked.update(b.reason for b in blockages if b)
                ahead += max(0.0, max(b.retry_at for b in blockages) - now)
                continue
            if service.is_idle():
                return
            assert time.monotonic() < ends_at, [p.blocked for p in service.pipelines]
            service._wait(now)

    def close(self) -> None:
        self.service.shut_down()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    start = Worker.start.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Worker,
        "start",
        classmethod(lambda cls, module, *a, **o: start(cls, STUBS.get(module, module), *a, **o)),
    )
    tiny = Stubbed(tmp_path / "tiny")
    for number in range(3):
        tiny.drop_pair(number)
    tiny.drop_input(0)
    running = Running(tiny)
    running.settle()
    yield running
    running.close()


def drop(running: Running, number: int) -> str:
    """Drop an image that is new, and one that was translated before and needs no translator."""
    running.tiny.drop_input(number)
    again = f"again-{number:04d}.png"
    source = running.tiny.folder / "input" / "in-0000.png"
    (running.tiny.folder / again).write_bytes(source.read_bytes())
    (running.tiny.folder / again).rename(running.tiny.folder / "input" / again)
    return f"in-{number:04d}.png"


@pytest.mark.timeout(600)
def test_the_nth_call_that_fails_never_leaves_a_wrong_state(
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    figure: Figure,
    *,
    is_full_size: bool,
) -> None:
    stride = 1 if is_full_size else 19
    failed = number = 0
    with monkeypatch.context() as patch:
        failing = Failing(patch, running.tiny.folder)
        for error in ERRORS.values():
            at = 1
            while True:
                number += 1
                failing.arm(at, error)
                drop(running, number)
                running.settle()
                if failing.count < at:
                    break
                failed += 1
                at += stride
                assert not running.tiny.truncated()
            assert at > 20, "the calls that are made are not the ones that fail"
        failing.arm(0, 0)
    running.service.store.db.execute("PRAGMA wal_checkpoint")
    assert running.tiny.blemishes() == []
    outputs = running.tiny.outputs()
    assert len(outputs) == 2 * number + 1
    assert not [row for row in running.tiny.state()["files"] if row[1] in {"failed", "rejected"}]
    figure(
        3,
        "the n-th open, write, fsync, rename fails (EIO, ENOSPC, EINTR)",
        pixd=f"{failed} failed calls, {number} drops: all published, store intact",
        bar="never a wrong state",
    )


def test_a_database_that_is_full_at_any_page_never_leaves_a_wrong_state(
    running: Running, figure: Figure, *, is_full_size: bool
) -> None:
    db = running.service.store.db
    number = full = 0
    for _ in range(60 if is_full_size else 4):
        number += 1
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        spare = number % 7
        db.execute(f"PRAGMA max_page_count = {pages + spare}")
        for more in range(20):
            drop(running, number * 100 + more)
        began = time.monotonic()
        running.service.signals.has_asked_to_scan = True
        while not running.service._blockage and time.monotonic() < began + 20:
            running.service.step(time.monotonic())
            if running.service.is_idle() and not running.service._blockage:
                break
        full += bool(running.service._blockage)
        db.execute("PRAGMA max_page_count = 1000000000")
        running.settle()
    assert full > number / 2
    assert running.tiny.blemishes() == []
    assert len(running.tiny.outputs()) == 40 * number + 1
    figure(
        3.1,
        "the database is full at the n-th page",
        pixd=f"{full} times full: all published afterwards, store intact",
        bar="never a wrong state",
    )
