"""Bridges that really run, over machines that are processes of the tests."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.cluster.order import MODULE, Order, to_document
from pixd.cluster.report import Report, read_report
from pixd.system.children.spec import Result, TrainSpec, read_result
from pixd.system.children.worker import Worker
from pixd.system.digests import digest_of
from tests.support.carrier_contract import order_for, training
from tests.support.process_carrier import VARIABLE

CARRIER = "tests.support.process_carrier:ProcessCarrier"


class Machines:
    """Two machines, the address that answers for them, and their bridges."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.token = folder.parent / "token"
        self.token.write_text("0123456789abcdef")
        self.token.chmod(0o600)
        self.bridges: list[Worker] = []
        for name in ("m1", "m2"):
            (folder / name).mkdir(parents=True)

    def turn_off(self, name: str, *, is_off: bool = True) -> None:
        """Have no host placed on a machine."""
        (self.folder / name / "off").touch() if is_off else (self.folder / name / "off").unlink()

    def give(self, name: str, **variables: str) -> None:
        """Give the host of a machine more environment."""
        (self.folder / name / "environment").write_text(json.dumps(variables))

    def give_code(self, name: str, code: str) -> None:
        """Have the host of a machine run some lines of Python first."""
        (self.folder / name / "code").mkdir()
        (self.folder / name / "code" / "sitecustomize.py").write_text(textwrap.dedent(code))
        self.give(name, PYTHONPATH=f"{self.folder / name / 'code'}:{Path(__file__).parents[3]}")

    def refuse(self, name: str, module: str, method: str) -> None:
        """Have the disk of a machine be full whenever its host calls a method of a class."""
        refusing = f"""
            import {module}
            def refuse(*arguments, **named): raise OSError(28, "No space left on device")
            {module}.{method} = refuse
        """
        self.give_code(name, refusing)

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def pid(self, name: str) -> int:
        return int((self.folder / name / "pid").read_text())

    def order(self, scratch: Path, **fields: Any) -> Order:
        scratch.mkdir(exist_ok=True)
        return order_for(CARRIER, self.address, str(self.token), scratch, **fields)

    def start(self, order: Order) -> Worker:
        bridge = Worker.start(MODULE, to_document(order), order.scratch, order.scratch / "log")
        self.bridges.append(bridge)
        return bridge


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    folder = tmp_path / "machines"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder))
    with socket.create_server(("127.0.0.1", 0)) as head:
        found = Machines(folder, f"127.0.0.1:{head.getsockname()[1]}")
        yield found
        for bridge in found.bridges:
            bridge.kill()
            bridge.close()
        for name in ("m1", "m2"):  # one that hangs does not notice that its bridge is gone
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.killpg(found.pid(name), signal.SIGKILL)


@dataclasses.dataclass
class Heard:
    """What a bridge of a training said."""

    events: list[dict[str, Any]]
    result: Result
    report: Report


def listen(bridge: Worker, scratch: Path, wait_until: Any, within_s: float = 120) -> Heard:
    """Follow a bridge to its end."""
    events: list[dict[str, Any]] = []

    def is_over() -> bool:
        is_dead = bridge.poll() is not None
        events.extend(bridge.read_events())
        return is_dead

    wait_until(is_over, within_s)
    report = read_report(scratch)
    assert report is not None
    return Heard(events, read_result(scratch), report)


def pairs(folder: Path, count: int) -> list[dict[str, Any]]:
    """Return pairs of files that are there."""
    folder.mkdir(exist_ok=True)
    found = []
    for number in range(count):
        data = f"image {number}".encode()
        (folder / f"{number}").write_bytes(data)
        paths, digests = [str(folder / f"{number}")], [digest_of(data)]
        found.append({"name": f"{number}", "images": paths, "digests": digests})
    return found


def spec_of(folder: Path, **recipe: Any) -> TrainSpec:
    """Return the spec of a scripted training in `folder`."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    return training(
        scratch=str(folder / "scratch"),
        checkpoints=str(folder / "checkpoints" / "key"),
        train=pairs(folder / "objects", 4),
        preview=str(folder / "sheet.png"),
        recipe={"steps": 30, "every": 5, "step_s": 0.05, **recipe},
    )
