"""A changed configuration is taken whole or not at all, whatever the store refuses meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from pixd.config.load import load
from pixd.service.loop import Service
from pixd.store import writer
from pixd.store.events import Event
from tests.conftest import WaitUntil
from tests.faults.stubbed import Stubbed
from tests.support.notify_socket import listening
from tests.support.tiny import pair

KINDS = ("training", "input", "output")


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Keep the database locked, as another program may."""
    with closing(sqlite3.connect(store / "lineage.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_reload_during_a_lock_is_done_after_it_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    stubbed = Stubbed(tmp_path / "tiny")
    config = stubbed.folder / "config.yaml"
    for number in range(3):
        pair(number).save(stubbed.folder / "training" / f"{number}.png")
    monkeypatch.setenv("PIXD_STUB_TRAIN_S", "3600")
    with listening() as systemd:
        service = stubbed.spawn(NOTIFY_SOCKET=systemd.address)
        stubbed.until(lambda part: part["train"]["run"] is not None)
        run = stubbed.part()["train"]["run"]
        tree = yaml.safe_load(config.read_text())
        tree["pipelines"]["tiny"]["settle_seconds"] = 0.2
        tree["pipelines"]["second"] = {kind: f"./second/{kind}" for kind in KINDS}
        config.write_text(yaml.safe_dump(tree))
        heard = len(systemd.heard())
        with locked(stubbed.folder / "store"):
            os.kill(service.pid, signal.SIGHUP)
            wait_until(lambda: "blocked: lineage.db" in stubbed.log(), what="it is blocked")
            reloads = systemd.until(lambda text: text == "RELOADING=1", after=heard)
            systemd.until(lambda text: text == "READY=1", after=reloads)
        wait_until(lambda: "new: second; changed: tiny" in stubbed.log(), what="it is taken")
        wait_until(lambda: "second" in stubbed.status()["pipelines"])
        assert stubbed.part()["train"]["run"] == run
        assert stubbed.stop() == 0
    assert stubbed.log().count("new: second") == 1


def test_settings_that_the_store_refuses_to_take_leave_all_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_S", 0.05)
    config = tmp_path / "config.yaml"

    def configure(settle_s: int, *names: str) -> None:
        pipelines = {
            name: {"settle_seconds": settle_s, **{kind: f"./{name}/{kind}" for kind in KINDS}}
            for name in names
        }
        tree = {"store": "./store", "device": "cpu", "pipelines": pipelines}
        config.write_text(yaml.safe_dump(tree))

    configure(2, "a", "b")
    said: list[Event] = []
    service = Service(load(config), said.append)
    served = list(service.pipelines)
    before = service.settings
    configure(3, "b", "c")
    service.signals.has_asked_to_reload = True
    with locked(service.settings.store):
        service.step(100.0)
        assert service.settings == before
        assert list(service.pipelines) == served
    service.step(200.0)
    assert [p.name for p in service.pipelines] == ["b", "c"]
    assert [p.settings for p in service.pipelines] == list(service.settings.pipelines)
    assert not service.signals.has_asked_to_reload
    (taken,) = [e.message for e in said if e.message.startswith("the configuration changed")]
    assert taken.endswith("new: c; changed: b; taken out: a")
    service.shut_down()


def test_a_reload_keeps_the_parts_that_it_does_not_touch(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    tree = {"store": "./store", "device": "cpu", "pipelines": {"a": {k: f"./a/{k}" for k in KINDS}}}
    config.write_text(yaml.safe_dump(tree))
    service = Service(load(config), lambda _: None)
    (before,) = service.pipelines
    service.pipelines.take(load(config), 0.0)
    (after,) = service.pipelines
    assert (after.intakes, after.translation) == (before.intakes, before.translation)
    assert after.training is before.training
    service.shut_down()
