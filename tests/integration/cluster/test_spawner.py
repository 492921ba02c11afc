"""Where the service's children run, and what it says of a cluster that is away."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixd.answers import health
from pixd.cluster import reach
from pixd.cluster import spawner as cluster_spawner
from pixd.cluster.spawner import ClusterSpawner
from pixd.config import RaySettings
from pixd.store.engine_beat import Engine
from pixd.store.heartbeat import Heartbeat, from_json, to_json
from pixd.system.children.spec import DeviceSpec
from tests.conftest import WaitUntil
from tests.integration.cluster.conftest import spec_of
from tests.support.config_files import ONE_PIPELINE, read


def test_with_the_engine_local_nothing_of_the_cluster_is_imported(tmp_path: Path) -> None:
    read(tmp_path, ONE_PIPELINE)
    code = (
        "import sys, pathlib\n"
        "from pixd.config.load import load\n"
        "from pixd.service import loop\n"
        f"service = loop.Service(load(pathlib.Path({str(tmp_path / 'config.yaml')!r})), say=id)\n"
        "import time; service.step(time.monotonic()); service.abandon()\n"
        "print([n for n in sys.modules if n.split('.')[0] == 'ray' or n.startswith('pixd.cluster')])"
    )
    for name in ("training", "input", "output"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"


@pytest.fixture
def head() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_spawner, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(cluster_spawner, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(cluster_spawner, "FALL_BACK_AFTER_S", 0.5)
    monkeypatch.setattr(reach, "HANDSHAKE_S", 0.05)  # these heads take a connection and say nothing


def settings_for(head: socket.socket, **fields: Any) -> RaySettings:
    return RaySettings(address=f"127.0.0.1:{head.getsockname()[1]}", **fields)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("said", "is_over"),
    [("went away", True), ("does not answer: why", True), ("cannot be joined", False)],
)
def test_a_head_that_is_back_is_told_of_without_work(
    head: socket.socket, monkeypatch: pytest.MonkeyPatch, said: str, *, is_over: bool
) -> None:
    monkeypatch.setattr(cluster_spawner, "TRY_EVERY_S", 0.3)
    settings = settings_for(head)
    spawner = ClusterSpawner(settings)
    try:
        spawner.note_away(f"the cluster at {settings.address} {said}", "mend it")
        told = spawner.told()
        assert said in told["why"]  # not at once: a bridge has just seen otherwise
        assert told["mend"] == "mend it"
        time.sleep(1)
        told = spawner.told()
        assert (told["why"] == told["mend"] == "") == is_over
    finally:
        spawner.close()


@pytest.mark.usefixtures("quick")
def test_a_head_that_is_away_is_noticed_told_and_noticed_again_when_it_is_back(
    head: socket.socket, wait_until: WaitUntil
) -> None:
    spawner = ClusterSpawner(settings_for(head))
    try:
        time.sleep(0.3)
        assert spawner.why_not() == ""
        address = head.getsockname()
        head.close()
        wait_until(spawner.why_not)
        assert spawner.why_not().startswith(
            f"the cluster at 127.0.0.1:{address[1]} does not answer: connection refused, since 20"
        )
        assert spawner.told()["why"] == spawner.why_not()
        assert spawner.told()["mend"].startswith("start its head")
        assert not spawner.told()["falls_back"]
        with socket.create_server(address):
            wait_until(lambda: not spawner.why_not())
    finally:
        spawner.close()


def test_a_cluster_that_refuses_is_tried_again_only_after_a_while(
    head: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = ClusterSpawner(settings_for(head))
    spawner.note_away("the token is wrong", "")
    assert spawner.why_not().startswith("the token is wrong, since ")
    monkeypatch.setattr(cluster_spawner, "TRY_EVERY_S", 0.0)
    assert spawner.why_not() == ""  # only another attempt can tell
    assert spawner.trouble  # and until it has told, status says so
    spawner.close()


@pytest.mark.usefixtures("quick")
def test_where_it_is_allowed_this_machine_works_while_the_cluster_is_away(
    head: socket.socket, tmp_path: Path, wait_until: WaitUntil
) -> None:
    spawner = ClusterSpawner(settings_for(head, fallback="local"))
    head.close()
    wait_until(lambda: spawner.told()["falls_back"])
    assert spawner.why_not() == ""
    (tmp_path / "scratch").mkdir()
    spec = replace(spec_of(tmp_path), scratch=str(tmp_path / "scratch"))
    worker = spawner.start("pixd.pix2pix.train", spec, tmp_path / "scratch", tmp_path / "log")
    worker.kill()
    worker.close()
    assert json.loads((tmp_path / "scratch" / "spec.json").read_text())["kind"] == "train"
    spawner.close()


def test_only_trainers_and_translators_go_to_the_cluster(
    head: socket.socket, tmp_path: Path
) -> None:
    spawner = ClusterSpawner(settings_for(head, token=tmp_path / "token"))
    kinds = {}
    for module, spec in (
        ("pixd.pix2pix.train", spec_of(tmp_path)),
        ("pixd.pix2pix.device", DeviceSpec(device="cpu")),
    ):
        scratch = tmp_path / module
        scratch.mkdir()
        full = replace(spec, scratch=str(scratch))
        worker = spawner.start(module, full, scratch, tmp_path / "log")
        worker.kill()
        worker.close()
        kinds[module] = json.loads((scratch / "spec.json").read_text())["kind"]
    assert kinds == {"pixd.pix2pix.train": "bridge", "pixd.pix2pix.device": "device"}
    spawner.close()


AWAY = "the cluster at a:1 does not answer: connection refused, since 2026-11-29 16:00 UTC"


@pytest.mark.parametrize("mend", ["chmod 600 token", ""])
@pytest.mark.parametrize("state", ["blocked", "degraded"])
def test_status_says_that_the_cluster_is_away_and_what_mends_it(state: str, mend: str) -> None:
    falls_back = state == "degraded"
    live = Heartbeat(engine=Engine(address="a:1", why=AWAY, mend=mend, falls_back=falls_back))
    assert from_json(to_json(live)) == live
    found, problems = health.judge({}, live, pid=1, silent_s=0.0)
    assert found == state
    assert problems[0].message.startswith(AWAY)
    assert ("this machine works meanwhile" in problems[0].message) == falls_back
    assert problems[0].advice.startswith(mend or "`pixd doctor` says what does not fit")
    assert "the work goes on by itself" in problems[0].advice


def test_a_machine_that_is_left_out_is_named_with_what_mends_it() -> None:
    live = Heartbeat(
        engine=Engine(address="a:1", left_out={"gpu3": "gpu3 has pixd 0.0.9: install"})
    )
    found, problems = health.judge({}, live, pid=1, silent_s=0.0)
    assert found == "degraded"
    assert "gpu3 has pixd 0.0.9" in problems[0].message


def test_without_a_cluster_nothing_is_told_of_one() -> None:
    assert "engine" not in to_json(Heartbeat())
