"""`pixd log CHANGE` tells all that came of one change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.store.states import RunState
from tests.support.status_states import World, filled_world

CHANGE = "c1c1c1c1c1"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        yield world


@pytest.fixture
def dropped(world: World) -> World:
    """Return a world in which 25 inputs were dropped at once and translated by model@1."""
    with world.running() as store:
        recipe = store.runs.add_recipe("translate", {})
        picture = store.objects.add(b"an output")
        store.objects.flush()
        live = store.models.live("facades")
        assert live is not None
        with store.transaction():
            store.history.add_objects([picture], "image/png")
        for number in range(25):
            run = store.runs.queue(
                "facades", "translate", f"key {number}", change_id=CHANGE, recipe=recipe,
                inputs=[], reason="new", state=RunState.RUNNING,
            )  # fmt: skip
            store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
            store.db.execute(
                "INSERT INTO output (pipeline, path, input_path, input_digest, model_digest, recipe,"
                " run_id, digest, state, change_id, published_at)"
                " VALUES ('facades', ?, ?, ?, ?, ?, ?, ?, 'current', ?, '2026-09-21T14:00:00Z')",
                (
                    f"{number:02d}.png", f"{number:02d}.png", picture.digest, live.digest, recipe,
                    run, picture.digest, CHANGE,
                ),
            )  # fmt: skip
        store.note("facades", "info", "commit", "input@2: +25 files", CHANGE)
        store.note("facades", "info", "translate", "25 inputs were translated", CHANGE)
    return world


def test_the_log_of_a_change_tells_its_runs_and_translations(
    dropped: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["log", CHANGE[:6]]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].endswith("input@2: +25 files")
    assert out[2:5] == [
        "runs     25 succeeded (translate)",
        "outputs  25 current",
        "  00.png  current, by model@1",
    ]
    assert len(out) == 2 + 2 + 20 + 1
    assert out[-1] == "  ... and 5 more (-n 25 shows all)"


def test_what_a_limit_leaves_out_of_a_change_is_said(
    dropped: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["log", CHANGE, "-n", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("25 inputs were translated")
    assert out[1] == "... and 1 earlier event (-n 2 shows all)"
    assert main.main(["log", CHANGE, "-n", "25"]) == 0
    assert "more" not in capsys.readouterr().out


def test_a_change_as_json_is_its_events_as_before(
    dropped: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["log", CHANGE, "--json"]) == 0
    told = [row["message"] for row in json.loads(capsys.readouterr().out)]
    assert told == ["25 inputs were translated", "input@2: +25 files"]
