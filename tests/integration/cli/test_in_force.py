"""A service goes on with the configuration before, and the commands go by it too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.cli import main
from pixd.config import in_force
from pixd.store.outside import Note, OutsideNote
from pixd.system.clock import rfc3339
from tests.support.status_states import CONFIG, NOW, World, filled_world

BROKEN = CONFIG.replace("device:", "devise:")
PROBLEM = "devise"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a world whose service runs and has told so outside the store."""
    with filled_world(tmp_path / "facades", monkeypatch) as world, world.running():
        note = OutsideNote(world.config)
        store = str(world.settings.store)
        note.write(Note(identity="one", path=store, pid=os.getpid(), at=rfc3339(NOW)))
        yield world
        note.close()


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main.main(["status", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_status_tells_what_the_service_does_and_what_is_wrong_with_the_file(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.config.write_text(BROKEN)
    code, told = status(capsys)
    assert (code, told["state"], told["pid"]) == (1, "degraded", os.getpid())
    assert told["pipelines"]["facades"]["output"]["current"] == 48
    (reason,) = told["reasons"]
    assert reason.startswith(
        "the changed configuration is not in force, and the service goes on with the one before:"
        f" {world.config}:2: {PROBLEM}"
    )


@pytest.mark.parametrize("command", ["log", "models"])
def test_other_commands_answer_and_say_in_one_line_what_they_go_by(
    world: World, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    world.config.write_text(BROKEN)
    assert main.main([command]) == 0
    told = capsys.readouterr()
    assert told.out
    (line,) = told.err.splitlines()
    assert f"{world.config}:2: {PROBLEM}" in line
    assert f"the service (pid {os.getpid()}) goes on with the configuration before" in line


@pytest.mark.parametrize("is_named", [True, False])
def test_a_file_that_is_gone_is_answered_for_too(
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_named: bool,
) -> None:
    world.config.unlink()
    monkeypatch.chdir(world.config.parent)
    if not is_named:
        monkeypatch.delenv("PIXD_CONFIG", raising=False)
    code, told = status(capsys)
    assert (code, told["pid"]) == (1, os.getpid())
    assert told["reasons"][0].endswith(f"goes on with the one before: {world.config} is gone")
    assert main.main(["log"]) == 0
    assert str(world.config) in capsys.readouterr().err


def test_what_asks_about_the_file_itself_is_not_answered_by_an_older_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.config.write_text(BROKEN)
    assert main.main(["check-config"]) == 78
    assert PROBLEM in capsys.readouterr().err


def test_without_a_service_a_wrong_file_is_an_error(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(world.folder / ".config.yaml.pixd").unlink()
    world.config.write_text(BROKEN)
    assert main.main(["status"]) == 78
    assert PROBLEM in capsys.readouterr().err


def test_a_service_that_begins_is_not_taken_for_one_of_the_store_before(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"pid": os.getpid() + 1, "path": str(world.folder / "before"), "identity": "one"}
    for text in ("", json.dumps(held)):  # it holds the note, and has not written it yet
        (world.folder / ".config.yaml.pixd").write_text(text)
        code, told = status(capsys)
        assert (code, told["state"]) == (0, "ok")


def test_where_nothing_was_kept_the_error_names_the_service(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (world.settings.store / in_force.KEPT).unlink()
    world.config.write_text(BROKEN)
    assert main.main(["status"]) == 78
    assert f"the service (pid {os.getpid()}) goes on with" in capsys.readouterr().err


def test_a_service_of_another_store_is_not_said_to_wait_for_the_one_that_is_named_now(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.config.write_text(CONFIG.replace("./store", "./store9"))
    code, told = status(capsys)
    assert (code, told["state"], told["store_gone"]) == (1, "degraded", "")
    assert told["pipelines"]["facades"]["output"]["current"] == 48
    (reason,) = told["reasons"]
    assert f"a running service cannot change from {world.settings.store}" in reason
    assert not any("--new-store" in problem["advice"] for problem in told["problems"])


def test_a_store_that_never_was_where_the_file_looks_for_it_is_not_said_to_be_unplugged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        note = OutsideNote(world.config)
        note.write(Note(identity="one", path=str(world.settings.store), pid=1, at=rfc3339(NOW)))
        note.close()  # its service has ended
        world.config.write_text(CONFIG.replace("./store", "./store9"))
        code, told = status(capsys)
    assert (code, told["state"]) == (3, "not-running")
    (problem,) = told["problems"]
    wanted = world.folder / "store9"
    assert problem["reason"] == f"the store was at {world.settings.store}, and {wanted} holds none"
    assert "put the old place back into config.yaml" in problem["advice"]


def test_a_file_that_changed_since_it_was_read_is_not_kept_as_what_is_in_force(
    world: World,
) -> None:
    world.config.write_text(CONFIG.replace("output: ./output", "output: ./elsewhere"))
    in_force.keep(world.settings.store, world.settings)
    assert not (world.settings.store / in_force.KEPT).exists()
    assert in_force.kept(world.settings.store, world.config) is None


def test_what_is_kept_is_read_by_no_one_who_may_not_read_the_file(world: World) -> None:
    world.config.chmod(0o640)
    in_force.keep(world.settings.store, world.settings)
    assert (world.settings.store / in_force.KEPT).stat().st_mode & 0o777 == 0o640
