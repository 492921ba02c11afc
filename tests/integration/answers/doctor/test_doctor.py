"""`pixd doctor`: what is wrong is found, named, and comes with the command that mends it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixd.answers.doctor import machine, units
from pixd.answers.doctor.model import test_image as ramp
from pixd.cli import main
from pixd.images import decode
from pixd.system.clock import rfc3339
from tests.support.status_states import STATES, Clock, World
from tests.support.tiny import Tiny

Examine = Callable[[], dict[str, dict[str, Any]]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path / "facades", Clock(monkeypatch))
    world.fill()
    monkeypatch.chdir(world.folder)
    return world


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    tiny = Tiny(tmp_path)
    monkeypatch.chdir(tiny.folder)
    return tiny


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Examine:
    """Return the checks of a run without the model, by name."""

    def look() -> dict[str, dict[str, Any]]:
        capsys.readouterr()
        code = main.main(["doctor", "--no-model", "--json"])
        told = json.loads(capsys.readouterr().out)
        worst = {"ok": 0, "warn": 0, "fail": 1}[told["state"]]
        assert code == (78 if told["checks"][-1]["name"] == "config" and worst else worst)
        for check in told["checks"]:
            assert bool(check["mend"]) == (check["state"] != "ok"), check
        return {check["name"]: check for check in told["checks"]}

    return look


def test_a_fresh_folder_has_nothing_wrong_but_that_no_service_runs(
    tiny: Tiny, examine: Examine
) -> None:
    found = examine()
    assert {name for name, check in found.items() if check["state"] == "fail"} == set()
    assert found["service"]["state"] == "warn"
    assert "pixd run" in found["service"]["mend"]
    assert found["live event"]["state"] == "ok"
    assert found["database"]["told"].startswith("none yet")
    assert not (tiny.folder / "store").exists()


def test_a_wrong_configuration_is_78_and_all_that_is_told(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny.folder / "config.yaml").write_text("pipelines: 3\n")
    assert main.main(["doctor"]) == 78
    out = capsys.readouterr().out
    assert out.startswith("fail  config:")
    assert "try: correct the file, then run: pixd check-config" in out
    assert out.endswith("0 ok, 0 warn, 1 fail\n")


def test_what_is_told_is_in_line_however_long_the_name_of_a_pipeline_is(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny.folder / "config.yaml"
    config.write_text(config.read_text().replace("tiny:", "a-pipeline-of-a-long-name:"))
    main.main(["doctor", "--no-model"])
    lines = [
        line for line in capsys.readouterr().out.splitlines() if re.match(r"(ok|warn|fail) ", line)
    ]
    column = len("ok    a-pipeline-of-a-long-name training: ")
    assert {line[column - 1] for line in lines} == {" "}
    assert all(line[column] != " " for line in lines)


def test_a_training_folder_that_is_a_file_fails(tiny: Tiny, examine: Examine) -> None:
    (tiny.folder / "training").rmdir()
    (tiny.folder / "training").write_text("not a folder")
    assert examine()["tiny training"]["state"] == "fail"


def test_the_service_makes_an_output_folder_and_no_watched_one(
    tiny: Tiny, examine: Examine
) -> None:
    shutil.rmtree(tiny.folder / "input")
    shutil.rmtree(tiny.folder / "output")
    found = examine()
    assert (found["tiny input"]["state"], found["tiny output"]["state"]) == ("fail", "warn")
    assert found["tiny input"]["mend"] == f"mkdir -p {tiny.folder}/input"
    assert not (tiny.folder / "input").exists()


def test_a_metrics_file_without_a_folder_warns(tiny: Tiny, examine: Examine) -> None:
    assert "metrics" not in examine()
    path = tiny.folder / "config.yaml"
    path.write_text(f"metrics: {tiny.folder}/prom/pixd.prom\n" + path.read_text())
    assert examine()["metrics"]["mend"] == f"sudo mkdir -p {tiny.folder}/prom"
    (tiny.folder / "prom").mkdir()
    assert examine()["metrics"]["state"] == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_who_may_not_read_is_told_the_command_for_that_user(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Below /tmp, whose parents anybody may enter; pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        tiny = Tiny(Path(name) / "p")
        (tiny.folder / "training").chmod(0o700)
        (tiny.folder / "store").mkdir()
        monkeypatch.chdir(tiny.folder)
        examine()  # as root, so that all modules are loaded
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            found = examine()
        finally:
            os.seteuid(0)
        mend = f"sudo setfacl -R -m u:nobody:rX {tiny.folder}/training"
        assert found["tiny training"]["mend"] == mend
        assert found["tiny input"]["state"] == "ok"
        assert found["tiny output"]["state"] == "fail"
        assert found["store"]["state"] == "warn"
        assert found["user"]["mend"].startswith("sudo -u root ")


def test_a_disk_with_less_than_the_floor_fails(tiny: Tiny, examine: Examine) -> None:
    path = tiny.folder / "config.yaml"
    path.write_text(path.read_text() + "    keep: {free_bytes: 900000000000000}\n")
    found = examine()
    assert found["store space"]["state"] == found["tiny output"]["state"] == "fail"
    assert "pixd gc" in found["store space"]["mend"]


def test_a_disk_that_is_mounted_read_only_is_not_called_full(
    tiny: Tiny, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def read_only(path: Path) -> os.statvfs_result:
        found = list(real(path))
        found[8] |= os.ST_RDONLY  # f_flag
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", read_only)
    found = examine()
    assert found["store"]["state"] == "fail"
    assert "mounted read-only" in found["store"]["told"]
    assert "mount the disk for writing" in found["store"]["mend"]
    assert "store space" not in found


def test_too_little_for_a_training_only_warns(tiny: Tiny, examine: Examine) -> None:
    free = shutil.disk_usage(tiny.folder).free
    path = tiny.folder / "config.yaml"
    text = path.read_text().replace("ngf: 4", "ngf: 512")  # needs 111 GB
    path.write_text(text + f"    keep: {{free_bytes: {max(0, free - 50_000_000_000)}}}\n")
    assert examine()["store space"]["state"] == "warn"


def test_a_store_of_a_network_file_system_fails(
    tiny: Tiny, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pixd.system.libc.read_mounts", lambda: b"1 0 0:1 / / rw - nfs4 server:/export rw\n"
    )
    found = examine()
    assert found["store"]["state"] == "fail"
    assert found["tiny training"]["told"].endswith("nfs4, polled: nfs4 reports no changes")


def test_a_limit_of_inotify_is_named_with_the_sysctl_that_raises_it(
    tiny: Tiny,
) -> None:
    # A user namespace has limits of its own, which its root may lower.
    script = 'echo 0 > /proc/sys/user/max_inotify_watches; exec "$@"'
    words = ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-m", "pixd"]
    done = subprocess.run(
        [*words, "doctor", "--no-model", "--json"],
        cwd=tiny.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:
        pytest.skip(f"no user namespaces here: {done.stderr}")
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["inotify limits"]["state"] == "warn"
    assert "sudo sysctl fs.inotify.max_user_watches=" in found["inotify limits"]["mend"]
    assert found["live event"]["state"] == "warn"


def test_a_sound_store_is_whole_and_nothing_in_it_changes(world: World, examine: Examine) -> None:
    def files() -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns
            for path in world.folder.rglob("*")
            # A reader leaves an empty log, as every other one does.
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = files()
    found = examine()
    assert found["database"]["state"] == "ok"
    assert "whole" in found["database"]["told"]
    assert files() == before
    assert not list(world.settings.store.glob(".doctor-*"))


def test_a_damaged_database_fails_and_ends_no_other_check(world: World, examine: Examine) -> None:
    path = world.settings.store / "lineage.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        (size_bytes,) = db.execute("PRAGMA page_size").fetchone()
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size_bytes)
        file.write(b"\xff" * size_bytes)
    found = examine()
    assert found["database"]["state"] == "fail"
    assert "backup" in found["database"]["mend"]
    assert found["clock"]["state"] == "ok"


def test_a_database_older_than_the_store_fails(world: World, examine: Examine) -> None:
    path = world.settings.store / "service.json"
    live = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(live | {"heights": {"commit": 10**6}}))
    assert "older than the store" in examine()["database"]["told"]


def test_a_store_of_a_newer_version_fails(world: World, examine: Examine) -> None:
    with STATES["newer store"](world):
        assert examine()["database"]["state"] == "fail"


def test_a_store_of_an_older_version_is_looked_at_as_the_next_start_makes_it(
    world: World, examine: Examine
) -> None:
    with STATES["older store"](world):
        found = examine()
    assert found["database"]["state"] == "ok"
    assert "of an older pixd, whole" in found["database"]["told"]
    assert found["upgrade"]["state"] == "ok"


def test_a_folder_on_hold_is_named_with_its_reason(world: World, examine: Examine) -> None:
    with STATES["on hold"](world):
        found = examine()["facades training"]
    assert found["state"] in {"warn", "fail"}
    assert found["mend"]


def test_a_service_that_does_not_stir_fails(world: World, examine: Examine) -> None:
    with STATES["stuck"](world):
        found = examine()
    assert found["service"]["state"] == "fail"
    assert "kill -9" in found["service"]["mend"]


def test_a_store_from_the_future_is_the_clocks_fault() -> None:
    found = machine.clock(rfc3339(time.time() + 3600))
    assert found.state == "warn"
    assert "timedatectl" in found.mend
    assert machine.clock(rfc3339(time.time() - 1)).state == "ok"
    assert machine.clock("").state == "ok"


def test_what_a_crash_left_is_named(tiny: Tiny, examine: Examine) -> None:
    left = tiny.folder / "output" / ".pixd-0123456789ab.tmp"
    left.write_bytes(b"half")
    assert examine()["leftovers"]["state"] == "ok"  # it may be under way
    os.utime(left, (0, 0))
    found = examine()["leftovers"]
    assert found["state"] == "warn"
    assert str(left) in found["told"]
    assert left.exists()


@pytest.mark.parametrize(
    ("enabled", "active", "state", "mend"),
    [
        ("enabled", "active", "ok", ""),
        ("disabled", "inactive", "warn", "systemctl enable pixd"),
        ("not-found", "inactive", "warn", "sudo pixd service install"),
        ("enabled", "failed", "fail", "systemctl reset-failed pixd"),
    ],
)
def test_what_systemd_says_of_the_unit_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    enabled: str,
    active: str,
    state: str,
    mend: str,
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(
        f"#!/bin/sh\ncase $* in *is-enabled*) echo {enabled};; *is-active*) echo {active};; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "BOOTED", tmp_path)
    found = next(units.checks(wants_page=False))
    assert found.state == state
    assert found.mend.startswith(mend)


@pytest.mark.parametrize(
    ("wants_page", "service", "page", "socket", "state", "mend"),
    [
        (True, "enabled active", "enabled active", "disabled", "ok", ""),
        (False, "enabled active", "enabled active", "disabled", "ok", ""),
        (True, "enabled active", "enabled failed", "disabled", "fail", "systemctl reset-failed"),
        (True, "enabled active", "disabled inactive", "disabled", "warn", "systemctl enable pixd-"),
        (True, "enabled active", "disabled inactive", "enabled", "ok", ""),
        (True, "enabled active", "not-found inactive", "not-found", "warn", "sudo pixd service"),
        (False, "enabled active", "not-found inactive", "not-found", None, ""),
        (True, "not-found inactive", "not-found inactive", "not-found", None, ""),
    ],
)
def test_what_systemd_says_of_the_pages_unit_is_told_where_a_page_is_wanted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    wants_page: bool,
    service: str,
    page: str,
    socket: str,
    state: str | None,
    mend: str,
) -> None:
    said = {"pixd.service": service, "pixd-web.service": page, "pixd-web.socket": f"{socket} -"}
    systemctl_says(said, tmp_path, monkeypatch)
    checks = {one.name: one for one in units.checks(wants_page=wants_page)}
    found = checks.get("page unit")
    assert (found.state if found else None) == state
    assert (found.mend if found else "").startswith(mend)


def systemctl_says(said: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have systemctl say of each unit whether it is enabled and active; of all others nothing."""
    program = tmp_path / "systemctl"
    cases = "".join(
        f"*is-enabled*{unit}) echo {words.split()[0]};; *is-active*{unit}) echo {words.split()[1]};;\n"
        for unit, words in said.items()
    )
    # A person's own systemd has none of them.
    program.write_text(f"#!/bin/sh\ncase $* in *--user*) echo not-found;;\n{cases}esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "BOOTED", tmp_path)


@pytest.mark.parametrize("name", ["head", "worker"])
@pytest.mark.parametrize(
    ("said", "state", "mend"),
    [
        ("enabled active", "ok", ""),
        ("enabled activating", "warn", "systemctl start pixd-"),
        ("enabled inactive", "warn", "systemctl start pixd-"),
        ("enabled failed", "fail", "systemctl reset-failed pixd-"),
        ("disabled active", "warn", "systemctl enable pixd-"),
        ("not-found inactive", None, ""),
    ],
)
def test_what_systemd_says_of_the_units_of_a_cluster_is_told_where_they_are_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    said: str,
    state: str | None,
    mend: str,
) -> None:
    systemctl_says({f"pixd-{name}.service": said}, tmp_path, monkeypatch)
    checks = {one.name: one for one in units.checks(wants_page=False)}
    found = checks.get(f"{name} unit")
    assert (found.state if found else None) == state
    assert (found.mend if found else "").startswith(mend)
    other = {"head": "worker", "worker": "head"}[name]
    assert f"{other} unit" not in checks


def test_too_few_open_files_are_told_with_both_commands(tiny: Tiny) -> None:
    words = [sys.executable, "-m", "pixd", "doctor", "--no-model", "--json"]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", *words],
        cwd=tiny.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["open files"]["state"] == "warn"
    assert found["open files"]["mend"].startswith("ulimit -n 1024")
    assert "LimitNOFILE=" in found["open files"]["mend"]


@pytest.mark.parametrize(
    ("wanted", "there", "state"),
    [("gpu", "", "fail"), ("auto", "", "ok"), ("cpu", "/dev/nvidia0", "ok")],
)
def test_a_gpu_that_is_asked_for_and_not_there_fails(
    monkeypatch: pytest.MonkeyPatch, wanted: str, there: str, state: str
) -> None:
    monkeypatch.setattr(machine, "has_gpu", lambda: bool(there))
    assert machine.gpu(wanted).state == state


def test_outlines_without_opencv_fail_with_what_to_install(
    tiny: Tiny, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "outlines" not in examine()
    path = tiny.folder / "config.yaml"
    path.write_text(path.read_text().replace("    train:", "    pairs: edges\n    train:"))
    assert examine()["outlines"]["state"] == "ok"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check = examine()["outlines"]
    assert (check["state"], check["mend"]) == ("fail", "pip install 'pixd[edges]'")


def test_the_test_image_is_one_that_pixd_takes() -> None:
    assert decode.decode(ramp(64)).size == (64, 64)


@pytest.mark.alone
def test_without_the_model_it_takes_less_than_a_second(tiny: Tiny) -> None:
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert tiny.pixd("doctor", "--no-model").returncode == 0
        took.append(time.monotonic() - began)
    assert min(took) < 1.0


def test_each_live_model_translates_a_test_image(ready: Tiny) -> None:
    tiny = ready
    before = sorted(tiny.folder.rglob("*"))
    done = tiny.pixd("doctor", "--json")
    assert done.returncode == 0, done.stdout
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "model@1 translated a test image in" in found["tiny model"]["told"]
    assert found["device"]["told"].startswith("cpu: ")
    known = {path for path in before if not path.name.endswith(("-wal", "-shm"))}
    assert {p for p in tiny.folder.rglob("*") if not p.name.endswith(("-wal", "-shm"))} == known
    # The export is damaged: the child refuses it, and the check says so.
    kept = [p for p in (tiny.folder / "store" / "models").rglob("*") if p.is_file()]
    weights = max(kept, key=lambda path: path.stat().st_size)
    weights.unlink()  # first: it may be a hard link
    weights.write_bytes(b"damaged")
    done = tiny.pixd("doctor", "--json")
    assert done.returncode == 1
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["tiny model"]["state"] == "fail"
    assert "pixd rollback" in found["tiny model"]["mend"]
