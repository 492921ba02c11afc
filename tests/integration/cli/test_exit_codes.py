"""Every exit code that docs/status.md lists, seen from the command that gives it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.system import errors
from tests.support.status_states import STATES, World, filled_world

PAGE = (Path(__file__).parents[3] / "docs" / "status.md").read_text()
LISTED = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        yield world


def pixd(*words: str) -> int:
    try:
        return main.main(words)
    except SystemExit as end:  # argparse's own
        return int(end.code or 0)


def healthy(world: World) -> int:
    with STATES["training"](world):
        return pixd("status")


def degraded(world: World) -> int:
    with STATES["inputs failed"](world):
        return pixd("status")


def blocked(world: World) -> int:
    with STATES["blocked"](world):
        return pixd("status")


def timed_out(world: World) -> int:
    with STATES["training"](world):
        return pixd("wait", "--timeout", "0.05")


def unreadable(world: World) -> int:
    (world.settings.store / "lineage.db").write_bytes(b"no database" * 1000)
    return pixd("status")


def storeless(world: World) -> int:
    shutil.rmtree(world.settings.store)
    return pixd("log")


def misconfigured(world: World) -> int:
    world.config.write_text("pipelines: 3\n")
    return pixd("status")


SEEN: dict[str, tuple[int, Callable[[World], int]]] = {
    "healthy": (0, healthy),
    "done": (0, lambda _: pixd("log")),
    "degraded": (1, degraded),
    "blocked": (1, blocked),
    "failed": (1, lambda _: pixd("rollback")),
    "no such option": (2, lambda _: pixd("status", "--no-such-option")),
    "no such command": (2, lambda _: pixd("no-such-command")),
    "no command": (2, lambda _: pixd()),
    "no such thing": (2, lambda _: pixd("show", "what@9")),
    "nothing runs": (3, lambda _: pixd("status")),
    "nothing to wait for": (3, lambda _: pixd("wait")),
    "unreadable": (4, unreadable),
    "no store": (4, storeless),
    "misconfigured": (78, misconfigured),
    "no configuration": (78, lambda _: pixd("--config", "nowhere.yaml", "status")),
    "timed out": (124, timed_out),
}


@pytest.mark.parametrize("name", SEEN)
def test_the_command_ends_with_the_code_that_the_page_lists(
    name: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    code, happen = SEEN[name]
    assert happen(world) == code
    assert code in LISTED
    if code not in {0, 1, 3}:
        assert capsys.readouterr().out == ""  # a script reads nothing that is no answer


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "model@99"),
        ("rollback", "model@99"),
        ("retrain", "model@99"),
        ("export", "model@99", "there"),
        ("models", "--report", "99"),
        ("diff", "model@1", "model@99"),
        ("diff", "training@1", "training@99"),
        ("restore", "training@99", "--to", "there"),
        ("show", "run@99"),
        ("show", "model@99"),
        ("why", "run@99"),
        ("why", "nowhere.png"),
        ("trace", "nowhere.png"),
        ("teach", "output/nowhere.png"),
        ("recall", "nowhere.png"),
        ("retry", "nowhere.png"),
        ("log", "nothing"),
        ("wait", "nothing"),
        ("translate", "nowhere.png"),
        ("status", "-p", "nowhere"),
    ],
    ids=" ".join,
)
def test_a_name_that_nothing_has_is_a_wrong_command_line(
    words: tuple[str, ...], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pixd(*words) == errors.EXIT_USAGE
    assert "try: " in capsys.readouterr().err


def test_the_page_lists_every_code_there_is_and_each_was_seen() -> None:
    defined = set(errors.EXIT_MEANINGS)
    codes = {name for name in vars(errors) if name.startswith("EXIT_")} - {"EXIT_MEANINGS"}
    assert {getattr(errors, name) for name in codes} == defined
    interrupted = 128 + signal.SIGINT
    assert {*defined, interrupted} == LISTED
    assert {code for code, _ in SEEN.values()} == defined


def test_ctrl_c_ends_with_the_code_that_shells_expect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("pixd.answers.status.heartbeat.read", interrupt)
    assert pixd("status") == 128 + signal.SIGINT
