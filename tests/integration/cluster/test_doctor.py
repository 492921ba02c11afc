"""What `pixd doctor` says of the cluster: what is wrong, and the command that mends it."""

from __future__ import annotations

import importlib.util
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.answers.doctor import cluster
from pixd.answers.doctor.check import Check
from pixd.cluster import own_cluster, reach, versions
from pixd.cluster.ray_carrier import environment
from pixd.config.settings import Settings
from tests.support.config_files import ONE_PIPELINE, read

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(secrets.token_hex(32))
    path.chmod(0o600)
    return path


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(reach, "HANDSHAKE_S", 0.05)  # it takes a connection and says nothing
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def settings_for(folder: Path, address: str, token: Path, more: str = "") -> Settings:
    folder.mkdir(exist_ok=True)
    ray = f"ray:\n  address: {address}\n  token: {token}\n{more}"
    return read(folder, f"engine: ray\ndevice: cpu\n{ray}{ONE_PIPELINE}")


def address_of(head: socket.socket) -> str:
    return f"127.0.0.1:{head.getsockname()[1]}"


def by_name(checks: Any) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    assert all(bool(check.mend) == (check.state != "ok") for check in found.values())
    return found


def test_with_the_engine_local_nothing_is_looked_at(tmp_path: Path) -> None:
    settings = read(tmp_path, ONE_PIPELINE)
    assert [*cluster.checks(settings), *cluster.joined(settings)] == []


@needs_ray
def test_a_head_that_answers_and_a_token_of_ones_own_are_well(
    head: socket.socket, tmp_path: Path, token: Path
) -> None:
    found = by_name(cluster.checks(settings_for(tmp_path, address_of(head), token)))
    assert {name: one.state for name, one in found.items()} == {
        **dict.fromkeys(("ray", "ray token", "cluster"), "ok")
    }


def test_a_token_that_others_read_and_a_head_that_is_away_fail(
    head: socket.socket, tmp_path: Path, token: Path
) -> None:
    address = address_of(head)
    head.close()
    token.chmod(0o644)
    found = by_name(cluster.checks(settings_for(tmp_path, address, token)))
    assert found["ray token"].state == "fail"
    assert found["ray token"].mend == f"chmod 600 {token}"
    assert found["cluster"].told == f"{address} does not answer: connection refused"
    assert found["cluster"].mend.startswith("start its head: pixd cluster head")
    assert [*cluster.joined(settings_for(tmp_path, address, token))] == []  # it would only wait


@pytest.mark.parametrize(
    ("version", "told"), [("", "not installed"), ("2.9.3", "2.9.3 is too old")]
)
def test_ray_that_is_not_there_or_too_old_fails(
    version: str, told: str, head: socket.socket, tmp_path: Path, token: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(versions, "version_of", lambda _name: version)
    found = by_name(cluster.checks(settings_for(tmp_path, address_of(head), token)))
    assert found["ray"].state == "fail"
    assert found["ray"].told.startswith(told)
    assert found["ray"].mend.startswith(f"{sys.executable} -m pip install")


def test_certificates_that_are_missing_are_named(
    head: socket.socket, tmp_path: Path, token: Path
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "node.crt").touch()
    settings = settings_for(tmp_path, address_of(head), token, f"  tls: {folder}\n")
    found = by_name(cluster.checks(settings))
    assert found["ray tls"].told.startswith(f"{folder} lacks node.key, ca.crt")


@needs_ray
@pytest.mark.slow
def test_it_names_each_machine_with_what_it_has_and_what_no_machine_has(
    tmp_path: Path, token: Path
) -> None:
    with own_cluster.started(2) as own:
        large = "  train: {cpus: 8}\n"
        found = by_name(cluster.joined(settings_for(tmp_path / "a", own.address, own.token, large)))
        assert found["cluster's door"].state == "ok"
        (machine,) = (one for name, one in found.items() if name.startswith("machine "))
        assert machine.state == "ok"
        assert machine.told.startswith("2 CPUs, ")
        for key in ("pixd", "tensorflow", "ray", "python"):
            assert versions.own()[key] in machine.told
        assert "8 CPUs" in found["room for train"].told
        assert "room for translate" not in found
        other = by_name(cluster.joined(settings_for(tmp_path / "b", own.address, token)))
        assert set(other) == {"cluster's door"}
        assert "does not take this token" in other["cluster's door"].told


@needs_ray
@pytest.mark.slow
def test_a_cluster_that_lets_anybody_in_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pixd.cluster.own_cluster.environment",
        lambda *told: environment(*told) | {"RAY_AUTH_MODE": "disabled"},
    )
    with own_cluster.started(1) as own:
        found = by_name(cluster.joined(settings_for(tmp_path, own.address, own.token)))
    assert found["cluster's door"].state == "fail"
    assert "runs any code there" in found["cluster's door"].told
