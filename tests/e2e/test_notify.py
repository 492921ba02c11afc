"""What the real `pixd run` tells systemd, in which order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from pixd.store.lock import holder_pid
from tests.support.notify_socket import NotifySocket, listening
from tests.support.tiny import Tiny


@pytest.fixture
def systemd() -> Iterator[NotifySocket]:
    with listening() as notify_socket:
        yield notify_socket


def test_ready_is_said_once_before_training_and_stopping_is_the_end(
    tiny: Tiny, systemd: NotifySocket
) -> None:
    tiny.pairs(range(6))
    tiny.start(NOTIFY_SOCKET=systemd.address)
    assert tiny.service
    ready = systemd.until(lambda text: text == "READY=1")
    assert holder_pid(tiny.folder / "store") == tiny.service.pid  # the lock is held
    assert tiny.part()["training"]["watch"] == "inotify"
    ping = systemd.until(lambda text: text == "WATCHDOG=1")
    trains = systemd.until(lambda text: text == "STATUS=tiny: training running")
    assert ready < ping
    assert ready < trains
    assert tiny.stop() == 0
    heard = systemd.heard()
    assert heard.count("READY=1") == 1
    assert heard.count("STOPPING=1") == 1
    # Nothing after it would be believed: no ping, no readiness.
    assert not {"WATCHDOG=1", "READY=1"}.intersection(heard[heard.index("STOPPING=1") :])


def test_a_reload_is_said_with_its_time_and_a_refusal_stands_in_the_status(
    tiny: Tiny, systemd: NotifySocket
) -> None:
    tiny.start(NOTIFY_SOCKET=systemd.address)
    assert tiny.service
    began = systemd.until(lambda text: text == "READY=1") + 1
    before_usec = time.monotonic_ns() // 1000
    tiny.service.send_signal(signal.SIGHUP)
    reloads = systemd.until(lambda text: text == "RELOADING=1", after=began)
    name, _, usec = systemd.heard()[reloads + 1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert before_usec <= int(usec) <= time.monotonic_ns() // 1000
    began = systemd.until(lambda text: text == "READY=1", after=reloads) + 1

    config = tiny.folder / "config.yaml"
    config.write_text(config.read_text().replace("image_size: 32", "image_size: 33"))
    tiny.service.send_signal(signal.SIGHUP)
    refused = systemd.until(
        lambda text: text.startswith("STATUS=the changed configuration is not in force: "),
        60,
        began,
    )
    assert systemd.heard()[refused].endswith("; tiny: idle")
    systemd.until(lambda text: text == "READY=1", after=began)
    assert tiny.stop() == 0
