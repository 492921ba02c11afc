"""The units of a cluster under a real systemd, on two machines, from the token to uninstall.

`make test-systemd` runs this. Two machines are booted and a cable is laid between them: `desk` has
the folders, the service and the head; `gpu1` works for it. What is typed is what docs/cluster.md
says, "By systemd". The tests build on one another, in the order in which they stand here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny import pair, picture
from tests.systemd import machine as machines
from tests.systemd.conftest import text
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(1800)]  # the tree is built once, in minutes

CONFIG = "/etc/pixd/config.yaml"
FOLDER = "/srv/pictures"
TOKEN = "/etc/pixd/ray-token"
GOES_ON_WITHIN_S = 180
"""Ray notices, ends and starts again in tens of seconds, on two cores that all share."""


@dataclass
class Cluster:
    """Two machines and where the first is reached."""

    desk: Machine
    gpu1: Machine
    address: str

    def status(self) -> dict[str, Any]:
        done = self.desk.attempt("pixd status --json")
        return dict(json.loads(done.stdout))

    def put(self, number: int) -> Path:
        """Put a picture into the input folder, and return where its translation will be."""
        name = f"in-{number}.png"
        picture(number).save(self.desk.path(f"{FOLDER}/input/{name}"))
        return self.desk.path(f"{FOLDER}/output/{name}")

    def wait_for(self, output: Path) -> None:
        self.desk.until(output.is_file, GOES_ON_WITHIN_S, f"{output.name} is translated")

    def doctor(self) -> dict[str, dict[str, Any]]:
        said = self.desk.attempt(f"pixd --config {CONFIG} doctor --json").stdout
        return {one["name"]: dict(one) for one in json.loads(said)["checks"]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if why := machines.missing():
        pytest.skip(why)
    lower = machines.tree()
    booted: list[Machine] = []
    try:
        for name in ("desk", "gpu1"):
            folder = lower.with_name(f"{name}-{os.getpid()}")
            booted.append(Machine(lower, folder, name))
        address, _ = machines.connect(*booted)
        yield Cluster(booted[0], booted[1], address)
    finally:
        for machine in booted:
            machine.halt()


def test_the_head_is_installed_with_a_new_token_and_answers(cluster: Cluster) -> None:
    desk = cluster.desk
    desk.run(f"pixd cluster token {TOKEN}")
    said = desk.run(f"pixd cluster head {cluster.address} --install")
    assert "made the user pixd\n" in said
    assert f"gave {TOKEN} to pixd\n" in said
    assert "wrote /etc/systemd/system/pixd-head.service\n" in said
    assert desk.run(f"stat -c '%U %a' {TOKEN}").split() == ["pixd", "600"]
    desk.until(lambda: _is_up(desk, "pixd-head"), GOES_ON_WITHIN_S, "Ray runs as the head")
    assert _shown(desk, "pixd-head") == _running("pixd")


def test_a_worker_is_installed_with_the_same_token_and_joins(cluster: Cluster) -> None:
    gpu1 = cluster.gpu1
    _copy_token(cluster)
    said = gpu1.run(f"pixd cluster join {cluster.address} --install")
    assert "made the user pixd-worker\n" in said
    assert f"gave {TOKEN} to pixd-worker\n" in said
    gpu1.until(lambda: _is_up(gpu1, "pixd-worker"), GOES_ON_WITHIN_S, "Ray runs as a worker")
    assert _shown(gpu1, "pixd-worker") == _running("pixd-worker")


def test_the_service_joins_the_cluster_and_doctor_sees_both_machines(cluster: Cluster) -> None:
    desk = cluster.desk
    desk.write(
        CONFIG,
        text(FOLDER, "/var/lib/pixd/store")
        + f"""\
engine: ray
ray:
  address: {cluster.address}:6379
  token: {TOKEN}
  silent_seconds: 20
  train: {{cpus: 1}}
  translate: {{cpus: 1, most: 1}}
""",
    )
    said = desk.run(f"pixd --config {CONFIG} service install")
    assert "wrote /etc/systemd/system/pixd.service.d/ray.conf\n" in said
    assert _shown(desk, "pixd") == _running("pixd")
    checks = cluster.doctor()
    own = ("ray token", "cluster", "cluster's door", "head unit")
    for name in (*own, "machine desk", "machine gpu1"):
        assert checks[name]["state"] == "ok", checks
    assert "gives no room" in checks["machine desk"]["told"]
    assert re.match(r"\d+ CPUs?, ", checks["machine gpu1"]["told"])


def test_a_training_and_translations_run_on_the_worker_under_its_filter(cluster: Cluster) -> None:
    for number in range(12):
        pair(number).save(cluster.desk.path(f"{FOLDER}/training/{number:03d}.png"))
    outputs = [cluster.put(number) for number in range(3)]
    gpu1 = cluster.gpu1
    gpu1.until(lambda: gpu1.pids("pixd.pix2pix.train"), GOES_ON_WITHIN_S, "a trainer on gpu1")
    trainer = gpu1.pids("pixd.pix2pix.train")[0]
    confined = gpu1.run(f"cat /proc/{trainer}/status")
    assert "\nSeccomp:\t2\n" in confined  # 2: a filter
    assert "\nNoNewPrivs:\t1\n" in confined
    assert "\nCapBnd:\t0000000000000000\n" in confined
    assert gpu1.run(f"stat -c %U /proc/{trainer}").strip() == "pixd-worker"
    for output in outputs:
        cluster.wait_for(output)
    assert not cluster.desk.pids("pixd.pix2pix.translator")
    assert gpu1.pids("pixd.pix2pix.translator")
    for number in range(1, 5):  # the training, and three translations
        assert "\n  node: gpu1\n" in cluster.desk.run(f"pixd show run@{number}")


def test_the_exposure_of_each_unit_in_the_booted_system_is_low(cluster: Cluster) -> None:
    for machine, unit in _units(cluster):
        said = machine.run(f"systemd-analyze security {unit}.service --threshold=15 --no-pager")
        exposure = re.search(rf"exposure level for {unit}.service: ([0-9.]+)", said)
        assert exposure, said
        assert float(exposure[1]) <= 1.5


def test_each_unit_writes_where_it_must_and_nowhere_else(cluster: Cluster) -> None:
    writable = {
        "pixd-head": ["/var/lib/pixd"],
        "pixd": ["/var/lib/pixd", f"{FOLDER}/output"],
        "pixd-worker": ["/var/lib/pixd-worker", "/var/cache/pixd-worker"],
    }
    for machine, unit in _units(cluster):
        # As root, so that the view of the file system alone refuses.
        inside = f"nsenter --target {machine.pid(unit)} --mount --"
        for folder in writable[unit]:
            machine.run(f"{inside} touch {folder}/.try")
            machine.run(f"{inside} rm {folder}/.try")
        for folder in ("/etc", "/opt/pixd", "/usr", "/var/lib"):
            said = machine.attempt(f"{inside} touch {folder}/.try").stdout
            assert "Read-only file system" in said, (unit, folder)


def test_a_worker_that_is_stopped_leaves_nothing_and_is_used_again(cluster: Cluster) -> None:
    gpu1 = cluster.gpu1
    gpu1.run("systemctl stop pixd-worker")
    assert _ended(gpu1, "pixd-worker") == {"ActiveState": "inactive", "Result": "success"}
    assert not _processes(gpu1, "pixd-worker")
    assert not gpu1.path("/var/lib/pixd-worker/ray").exists()
    assert "Draining" not in _journal(gpu1, "pixd-worker")  # for 30 s, and for nothing
    output = cluster.put(3)
    cluster.desk.until(
        lambda: cluster.status()["engine"]["waits"], GOES_ON_WITHIN_S, "the service waits for room"
    )
    assert not output.exists()
    gpu1.run("systemctl start pixd-worker")
    cluster.wait_for(output)


def test_a_worker_that_is_killed_is_started_again(cluster: Cluster) -> None:
    gpu1 = cluster.gpu1
    gpu1.run("systemctl kill --signal=KILL pixd-worker")
    gpu1.until(
        lambda: gpu1.shown("NRestarts", unit="pixd-worker")["NRestarts"] == "1", 60, "a restart"
    )
    cluster.wait_for(cluster.put(4))


def test_a_head_that_is_stopped_blocks_and_all_go_on_when_it_is_back(cluster: Cluster) -> None:
    desk, gpu1 = cluster.desk, cluster.gpu1
    desk.run("systemctl stop pixd-head")
    assert _ended(desk, "pixd-head") == {"ActiveState": "inactive", "Result": "success"}
    assert not desk.path("/var/lib/pixd/ray").exists()
    output = cluster.put(5)
    desk.until(lambda: cluster.status()["engine"]["why"], GOES_ON_WITHIN_S, "the service says so")
    assert cluster.status()["state"] == "blocked"
    gpu1.until(
        lambda: f"{cluster.address}:6379 does not answer" in _journal(gpu1, "pixd-worker"),
        GOES_ON_WITHIN_S,
        "the worker has ended and is tried again",
    )
    desk.run("systemctl start pixd-head")
    cluster.wait_for(output)
    assert desk.shown("NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}


def test_each_unit_is_restarted_in_its_order_and_the_work_goes_on(cluster: Cluster) -> None:
    for number, (machine, unit) in enumerate(_units(cluster), 6):
        machine.run(f"systemctl restart {unit}")
        cluster.wait_for(cluster.put(number))


def test_installing_again_takes_what_has_changed(cluster: Cluster) -> None:
    gpu1 = cluster.gpu1
    gpu1.run(f"pixd cluster join {cluster.address} --cpus 1 --install")
    assert " --cpus 1\n" in gpu1.run("systemctl cat pixd-worker")
    cluster.wait_for(cluster.put(20))


def test_without_the_token_nothing_is_installed_and_what_runs_stays(cluster: Cluster) -> None:
    gpu1 = cluster.gpu1
    gpu1.run(f"mv {TOKEN} {TOKEN}.away")
    refused = gpu1.attempt(f"pixd cluster join {cluster.address} --install")
    assert refused.returncode == 1
    assert f"the token {TOKEN} cannot be read" in refused.stdout
    assert gpu1.shown("ActiveState", unit="pixd-worker") == {"ActiveState": "active"}
    gpu1.run(f"mv {TOKEN}.away {TOKEN}")


def test_the_head_does_the_work_where_it_gives_processors(cluster: Cluster) -> None:
    desk, gpu1 = cluster.desk, cluster.gpu1
    gpu1.run("systemctl stop pixd-worker")
    desk.run(f"pixd cluster head {cluster.address} --cpus 1 --install")
    cluster.wait_for(cluster.put(21))
    translator = desk.pids("pixd.pix2pix.translator")[0]
    assert "/pixd-head.service" in desk.run(f"cat /proc/{translator}/cgroup")


def test_uninstall_removes_both_units_and_leaves_tokens_users_and_the_cache(
    cluster: Cluster,
) -> None:
    for machine, unit in ((cluster.gpu1, "pixd-worker"), (cluster.desk, "pixd-head")):
        said = machine.run("pixd cluster uninstall")
        assert f"systemctl disable --now {unit}.service\n" in said
        assert f"removed /etc/systemd/system/{unit}.service\n" in said
        assert machine.shown("LoadState", "ActiveState", unit=unit) == {
            "LoadState": "not-found",
            "ActiveState": "inactive",
        }
        made = machine.path("/etc/systemd/system").rglob("*")
        assert not [path for path in made if unit in path.name]
        assert machine.path(TOKEN).is_file()
    assert not _processes(cluster.gpu1, "pixd-worker")
    cluster.gpu1.run("id pixd-worker")
    assert cluster.gpu1.path("/var/cache/pixd-worker/pixd/objects").is_dir()
    assert cluster.desk.shown("ActiveState") == {"ActiveState": "active"}  # the service stays
    cluster.desk.run("pixd service uninstall")


def _units(cluster: Cluster) -> list[tuple[Machine, str]]:
    return [(cluster.desk, "pixd-head"), (cluster.desk, "pixd"), (cluster.gpu1, "pixd-worker")]


def _copy_token(cluster: Cluster) -> None:
    """Bring the token to the other machine, as scp to its root does."""
    there = cluster.gpu1.path(TOKEN)
    there.parent.mkdir(exist_ok=True)
    there.touch(0o600)
    there.write_bytes(cluster.desk.path(TOKEN).read_bytes())


def _is_up(machine: Machine, unit: str) -> bool:
    return "Ray runtime started" in _journal(machine, unit)


def _journal(machine: Machine, unit: str) -> str:
    return machine.run(f"journalctl -u {unit} --no-pager")


def _shown(machine: Machine, unit: str) -> dict[str, str]:
    names = ("ActiveState", "User", "NRestarts", "UnitFileState", "Result")
    return machine.shown(*names, unit=unit)


def _running(user: str) -> dict[str, str]:
    return {
        "ActiveState": "active",
        "User": user,
        "NRestarts": "0",
        "UnitFileState": "enabled",
        "Result": "success",
    }


def _ended(machine: Machine, unit: str) -> dict[str, str]:
    return machine.shown("ActiveState", "Result", unit=unit)


def _processes(machine: Machine, user: str) -> list[str]:
    return machine.attempt(f"pgrep -u {user} -a").stdout.splitlines()
