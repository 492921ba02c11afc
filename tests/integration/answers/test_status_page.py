"""docs/status.md shows what `pixd status` says in every state, and each is as the schema says.

To write the page anew: pytest tests/integration/answers/test_status_page.py --regenerate
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pixd
from pixd.cli import main
from tests.support.json_schema import Schema
from tests.support.status_states import EXIT_CODES, NOW, PID, STATES, Clock, World

PAGE = Path(__file__).parents[3] / "docs" / "status.md"
SCHEMA = Schema(json.loads((Path(pixd.__file__).parent / "answers/status.schema.json").read_text()))
BLOCK = re.compile(
    r"(?P<head><!-- rendered: (?P<name>[a-z ]+) -->\n```console\n)(?P<text>.*?)(?=```)", re.DOTALL
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained and translated pipeline, as it was yesterday."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("filled") / "facades", Clock(patch))
        world.fill()
    return world.folder


@pytest.fixture
def world(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    shutil.copytree(filled, tmp_path / "facades")
    monkeypatch.setattr(pixd, "__version__", "0.1.0")
    monkeypatch.chdir(tmp_path / "facades")
    return World(tmp_path / "facades", Clock(monkeypatch))


class Said(NamedTuple):
    """What the command said in one state: its exit code, its text and its JSON."""

    code: int
    out: str
    err: str
    json: str
    json_err: str


@pytest.fixture(scope="module")
def said(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Said]:
    """Return what gives `Said` of a state by its name; each state is set up once."""

    @functools.cache
    def of(name: str) -> Said:
        folder = tmp_path_factory.mktemp("state") / "facades"
        shutil.copytree(filled, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixd, "__version__", "0.1.0")
            patch.chdir(folder)
            with STATES[name](World(folder, Clock(patch))):
                code, out, err = captured()
                json_code, told, json_err = captured("--json")
        assert code == json_code == EXIT_CODES[name]
        # Where it was made, and by which process, is no part of the page.
        out, err = (text.replace(f"{folder}/", "") for text in (out, err))
        return Said(code, out, err, told, json_err)

    return of


def captured(*words: str) -> tuple[int, str, str]:
    """Return the exit code of `pixd status`, and what it says on both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.main(["status", *words])
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", STATES)
def test_the_page_shows_what_status_says(
    name: str, said: Callable[[str], Said], request: pytest.FixtureRequest
) -> None:
    one = said(name)
    told = (one.out + one.err).replace(f"pid {os.getpid()}", f"pid {PID}")
    told = re.sub(rf"kill -9 {os.getpid()}\b", f"kill -9 {PID}", told)
    rendered = f"$ pixd status\n{told}$ echo $?\n{one.code}\n"
    page = PAGE.read_text()
    shown = {match["name"]: match["text"] for match in BLOCK.finditer(page)}
    assert name in shown, f"docs/status.md has no block for {name!r}"
    if request.config.getoption("--regenerate"):
        anew = BLOCK.sub(lambda m: m["head"] + rendered if m["name"] == name else m[0], page)
        PAGE.write_text(anew)
    else:
        assert shown[name] == rendered


def test_the_page_shows_no_state_that_is_not_tested() -> None:
    assert {match["name"] for match in BLOCK.finditer(PAGE.read_text())} == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_json_is_as_the_schema_says_and_the_counts_add_up(
    name: str, said: Callable[[str], Said]
) -> None:
    one = said(name)
    if one.code == 4:  # cannot tell: nothing but the reason, on standard error
        assert one.json == ""
        assert "try: " in one.json_err
        return
    told = json.loads(one.json)
    assert SCHEMA.faults(told) == []
    assert one.json == json.dumps(told, sort_keys=True, indent=1) + "\n"
    for pipeline in told["pipelines"].values():
        counts = pipeline["input"]
        assert counts["files"] == sum(
            counts[state] for state in ("settling", "queued", "translated", "rejected", "failed")
        )
    assert told["reasons"] == [problem["reason"] for problem in told["problems"]]
    assert (told["state"] in {"degraded", "blocked"}) == (one.code == 1)


@pytest.mark.parametrize("name", STATES)
def test_the_first_line_is_a_verdict_and_what_is_wrong_names_the_next_step(
    name: str, said: Callable[[str], Said]
) -> None:
    one = said(name)
    first, second = (one.out or one.err).splitlines()[:2]
    verdicts = {0: "OK, ", 1: "(DEGRADED|BLOCKED): ", 3: "NOT RUNNING, ", 4: "pixd: "}
    assert re.match(verdicts[one.code], first)
    if one.code:
        assert re.match(r"  try: .*(`|goes on by itself|install that version)", second)
    assert "\x1b" not in one.out  # no colour for a pipe


def test_of_several_problems_the_worst_comes_first_and_each_has_its_step(world: World) -> None:
    with STATES["inputs failed"](world):
        live = json.loads((world.settings.store / "service.json").read_text())
        live["pipelines"]["facades"]["translate"]["blocked"] = "the disk is full"
        (world.settings.store / "service.json").write_text(json.dumps(live))
        code, out, _ = captured()
    lines = out.splitlines()
    assert code == 1
    assert lines[0].startswith("BLOCKED: facades: translating: the disk is full; and 1 more, below")
    assert lines[1].startswith("  try: ")
    assert lines[2].startswith("  also facades: 2 inputs failed")
    assert lines[3] == "  try: once that is fixed, `pixd retry`"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"version": "99.0", "surprise": 1}, 0, "OK, idle"),
        ({"surprise": 1}, 1, "DEGRADED: the service's heartbeat (service.json of pixd"),
        ({"version": "99.0", "idle": "yes"}, 1, "DEGRADED: the service's heartbeat (service.json"),
    ],
)
def test_a_heartbeat_of_another_version_breaks_no_status(
    change: dict[str, Any], code: int, said: str, world: World
) -> None:
    with STATES["idle"](world):
        path = world.settings.store / "service.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        found, out, _ = captured()
        assert found == code
        assert out.startswith(said)
        told = json.loads(captured("--json")[1])
    assert SCHEMA.faults(told) == []
    assert told["starting"] is False


def test_the_schema_finds_a_key_that_it_does_not_name(world: World) -> None:
    with STATES["idle"](world):
        told = json.loads(captured("--json")[1])
    told["pipelines"]["facades"]["surprise"] = 1
    told["pid"] = "4711"
    told["pipelines"]["facades"]["model"]["live_since"] = "yesterday"
    wrong = SCHEMA.faults(told)
    assert len(wrong) == 3, wrong


def test_a_live_heartbeat_of_another_process_is_not_believed(world: World) -> None:
    with STATES["starting"](world):
        told = json.loads(captured("--json")[1])
    assert (told["state"], told["starting"], told["uptime_seconds"]) == ("ok", True, 0.0)
    assert NOW  # the heartbeat that is there is two hours old, and no reason to call it stuck
