"""`pixd web` and what it says where it cannot serve."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.cli.commands import web
from pixd.system.errors import EXIT_USAGE
from pixd.web import access
from tests.support.config_files import ONE_PIPELINE


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(ONE_PIPELINE)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return path


def link_of(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main.main(["--config", str(config), "web", *words]) == 0
    return capsys.readouterr().out.strip()


def test_the_link_is_the_same_until_new_tokens_are_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = link_of(config, capsys, "--link")
    assert first.startswith("http://127.0.0.1:8460/#")
    assert link_of(config, capsys, "--link") == first
    guest = link_of(config, capsys, "--link", "--read-only")
    assert guest != first
    after = link_of(config, capsys, "--new-token")
    assert after not in {first, guest}
    (tokens,) = (tmp_path / "state").rglob("tokens.json")
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert tokens.parent.stat().st_mode & 0o777 == 0o700


def test_two_configurations_have_two_tokens(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = config.with_name("other.yaml")
    other.write_text(ONE_PIPELINE)
    assert link_of(config, capsys, "--link") != link_of(other, capsys, "--link")


@pytest.mark.parametrize("words", [["web"], ["web", "--link"], ["run", "--web"]])
def test_without_the_extra_the_one_command_is_named(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert main.main(["--config", str(config), *words]) == 1
    said = capsys.readouterr().err
    assert "the page needs starlette" in said
    assert "-m pip install 'pixd[web]'" in said


def test_a_port_that_is_none_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--config", str(config), "web", "--port", "70000"]) == EXIT_USAGE
    assert "70000 is no port" in capsys.readouterr().err


def test_a_socket_has_no_address_of_its_own(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("web: {listen: /run/pixd/page.sock}\n" + ONE_PIPELINE)
    assert main.main(["--config", str(config), "web", "--link"]) == 1
    assert "proxy" in capsys.readouterr().err


def test_all_that_the_page_needs_is_looked_for() -> None:
    assert all(importlib.util.find_spec(name) for name in web.NEEDED)


def test_the_address_of_a_page_that_was_killed_is_not_told(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Somebody else may listen there by now, and would be handed the token."""
    first = link_of(config, capsys, "--link")
    (tokens,) = (tmp_path / "state").rglob("tokens.json")
    told = {"pid": os.getpid(), "url": "http://127.0.0.1:9999/", "socket": ""}
    tokens.with_name("address.json").write_text(json.dumps(told))
    assert link_of(config, capsys, "--link").startswith("http://127.0.0.1:9999/#")
    ended = subprocess.Popen(["true"])
    ended.wait()
    tokens.with_name("address.json").write_text(json.dumps({**told, "pid": ended.pid}))
    assert link_of(config, capsys, "--link") == first


def test_the_link_of_the_units_page_is_found_beside_older_tokens_of_root(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = link_of(config, capsys, "--link")
    above = tmp_path / "var" / "pixd-web"
    monkeypatch.setattr(access, "SYSTEM_STATES", (above,))
    folder = access.state_folder(config, {"STATE_DIRECTORY": str(above)})
    access.write_new(folder)
    assert link_of(config, capsys, "--link") == own  # nothing runs as the unit
    told = {"pid": os.getpid(), "url": "http://127.0.0.1:9999/", "socket": ""}
    (folder / "address.json").write_text(json.dumps(told))
    full = json.loads((folder / "tokens.json").read_text())["full"]
    assert link_of(config, capsys, "--link") == f"http://127.0.0.1:9999/#{full}"
