"""`pixd status` tells of a page that systemd runs, from files alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pixd.answers import page_unit, status
from pixd.cli import units
from pixd.config.load import load
from pixd.system.clock import rfc3339
from tests.support.loaded import loaded_by
from tests.support.status_states import NOW, Clock, World
from tests.support.unit_of_page import unit_of_the_page

NAMES = ("my own.yaml", "50% of a $HOME.yaml", 'a "b" \\c.yaml')
HEAVY = (
    "tensorflow",
    "numpy",
    "PIL",
    "sqlite_utils",
    "starlette",
    "uvicorn",
    "pixd.web",
    "subprocess",
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "facades", Clock(monkeypatch))


def told(world: World) -> dict[str, Any]:
    return status.snapshot(world.settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_known_by_the_configuration_that_it_names(world: World, name: str) -> None:
    shutil.copyfile(world.config, world.folder / name)
    world.settings = load(world.folder / name)
    with unit_of_the_page(world.settings) as runs:
        assert told(world)["page_unit"]["state"] == "down"
        runs.symlink_to("0" * 32)
        assert told(world)["page_unit"] == {
            "name": "pixd-web.service", "manager": "system", "state": "running",
        }  # fmt: skip
        other = world.folder / "other.yaml"
        shutil.copyfile(world.config, other)
        assert status.snapshot(load(other))["page_unit"] is None


def test_a_socket_that_waits_and_a_unit_that_nothing_starts_are_no_fault(world: World) -> None:
    with unit_of_the_page(world.settings, is_enabled=False):
        assert told(world)["page_unit"]["state"] == "disabled"
        assert told(world)["problems"] == []
    shutil.rmtree(world.folder / "root")
    with unit_of_the_page(world.settings, is_enabled=False, has_socket=True):
        assert told(world)["page_unit"]["state"] == "on-demand"
        assert told(world)["problems"] == []


def test_a_machine_that_systemd_did_not_start_has_no_unit(world: World) -> None:
    with unit_of_the_page(world.settings):
        shutil.rmtree(world.folder / "root" / "run")
        assert told(world)["page_unit"] is None


def test_a_page_that_comes_after_its_service_is_not_missed(world: World) -> None:
    for age_s, count in ((30.0, 0), (90.0, 1)):

        def change(live: dict[str, Any], at: str = rfc3339(NOW - age_s)) -> None:
            live["started_at"] = at

        with world.running(change), unit_of_the_page(world.settings):
            assert len(told(world)["problems"]) == count
        shutil.rmtree(world.folder / "root")


def test_the_unit_of_a_person_is_found_in_their_own_systemd(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_unit, "ROOT", tmp_path / "nothing")
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "XDG_CONFIG_HOME": str(tmp_path / "home")}
    folder = tmp_path / "home" / "systemd" / "user"
    at = units.Installation((sys.executable, "-m", "pixd"), ())
    for one in units.user_files(units.PAGE, world.settings, at, folder):
        one.path.parent.mkdir(parents=True, exist_ok=True)
        one.path.write_text(one.text)
    assert page_unit.find(world.config, environ) is None  # nobody's systemd runs
    (tmp_path / "run" / "systemd" / "units").mkdir(parents=True)
    found = page_unit.find(world.config, environ)
    assert found == ("pixd-web.service", "user", "disabled")
    assert found.systemctl == "systemctl --user"
    (folder / "default.target.wants").mkdir()
    (folder / "default.target.wants" / "pixd-web.service").symlink_to("../pixd-web.service")
    found = page_unit.find(world.config, environ)
    assert found is not None
    assert found.state == "down"


def test_the_unit_is_found_without_starting_or_importing_anything(world: World) -> None:
    root = "from pathlib import Path; from pixd.answers import page_unit; page_unit.ROOT = Path('root')"
    with unit_of_the_page(world.settings):
        told, loaded = loaded_by(["status"], HEAVY, world.folder, prelude=root)
    assert "page        pixd-web.service is enabled and does not run" in told
    assert loaded == "[]"
