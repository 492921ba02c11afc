"""`pixd models` and `pixd why` show what a score is worth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cli import main
from tests.support.status_states import DOUBTFUL, STATES, World, filled_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        yield world


def test_a_doubtful_model_is_listed_with_what_learned_nothing_and_an_older_one_without(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with STATES["model is doubtful"](world):
        assert main.main(["models"]) == 0
        heads, doubtful, older = capsys.readouterr().out.splitlines()
        assert main.main(["models", "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert main.main(["why", f"run@{rows[0]['train_run']}"]) == 0
        why = capsys.readouterr().out
    assert heads.split("  state")[0].endswith("L1 mean  L1 others")
    assert doubtful.split()[3:8] == ["46.2", "-", "-", "41.0", "46.3"]
    assert "LIVE; doubtful: its outputs fit the targets of other pairs" in doubtful
    assert older.split()[3:8] == ["21.4", "-", "-", "-", "-"]
    assert "doubtful" not in older
    assert [bool(row["doubts"]) for row in rows] == [True, False]
    assert "model@2 is doubtful: its outputs fit" in why


def test_a_person_who_pins_a_doubtful_model_is_not_warned_any_more(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.running() as store:
        world.add_model(store, DOUBTFUL)
        assert main.main(["status"]) == 1
        live = store.models.live("facades")
        assert live is not None
        store.models.promote(live, who="ada", why="as it is", change_id="c2", pin=True)
        capsys.readouterr()
        assert main.main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == []
    assert told["pipelines"]["facades"]["model"]["doubts"]


def test_a_refused_model_that_a_person_made_live_is_not_said_to_have_never_been(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def second() -> str:
        capsys.readouterr()
        assert main.main(["models"]) == 0
        return capsys.readouterr().out.splitlines()[1]

    with world.running() as store:
        first = store.models.live("facades")
        assert first is not None
        model = world.add_model(store, DOUBTFUL, why_not="a variant")
        assert "not promoted: a variant" in second()
        for one in (model, first):
            store.models.promote(one, who="ada", why="by hand", change_id="c2")
        assert second().endswith("was live: a variant")
