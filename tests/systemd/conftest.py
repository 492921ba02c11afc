"""The booted machine of these tests, and pixd installed in it as a service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd import machine as machines
from tests.systemd.machine import Machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    if why := machines.missing():
        pytest.skip(why)
    lower = machines.tree()
    # Beside the tree, because an overlay needs a disk, and /tmp often is none.
    machine = Machine(lower, lower.with_name(f"run-{os.getpid()}"))
    yield machine
    machine.halt()


@pytest.fixture(scope="session")
def service(machine: Machine) -> Service:
    return Service(machine)


class Service:
    """pixd as `pixd service install` leaves it, with one tiny pipeline in /srv/pictures."""

    CONFIG = "/etc/pixd/config.yaml"
    FOLDER = "/srv/pictures"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.configure()
        self.said = machine.run("pixd service install")

    def configure(self, **keys: object) -> None:
        """Write the configuration; `keys` are added to the pipeline."""
        more = "".join(f"    {key}: {value}\n" for key, value in keys.items())
        self.machine.write(self.CONFIG, text(self.FOLDER, "/var/lib/pixd/store") + more)

    @property
    def folder(self) -> Path:
        """Where its folders are, seen from outside."""
        return self.machine.path(self.FOLDER)

    def has_output(self, name: str) -> bool:
        return (self.folder / "output" / name).is_file()

    def wait_for_output(self, name: str, timeout_s: float = 120) -> None:
        self.machine.until(lambda: self.has_output(name), timeout_s, f"the output of {name}")

    def wait_for_training(self) -> int:
        """Wait until a trainer runs and return its process id."""
        self.machine.until(lambda: self.machine.pids("pixd.pix2pix.train"), 60, "a trainer")
        return self.machine.pids("pixd.pix2pix.train")[0]


def text(folder: str, store: str) -> str:
    """Return the configuration of a pipeline that trains in seconds."""
    return f"""\
store: {store}
device: cpu
pipelines:
  tiny:
    training: {folder}/training
    input: {folder}/input
    output: {folder}/output
    image_size: 32
    settle_seconds: 0.3
    train: {{quiet_seconds: 0.5, steps: 4, ngf: 4, ndf: 4, validation: 0.2, promote: always}}
"""
