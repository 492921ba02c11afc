"""Early models in the store: what they are compared with, what follows them, what they change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.store.edges import Edge
from pixd.store.models import Model
from pixd.store.states import RunState
from pixd.system.errors import PixdError
from pixd.training import promotion
from tests.support.trained_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    one = Folder(tmp_path)
    yield one
    one.store.close()


def give_early(folder: Folder, run: int, step: int) -> Model:
    """Write an early model of a training that runs, and make it live."""
    store = folder.store
    weights = store.objects.add(b"weights of run %d at %d" % (run, step))
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([weights], "application/octet-stream")
        export = store.runs.queue(
            "p", "export", f"key {run} {step}", change_id="c",
            recipe=store.runs.add_recipe("export", {}), inputs=[], reason="",
        )  # fmt: skip
        store.runs.add_outputs(export, [Edge("generator", "generator.keras", weights.digest)])
        version = store.db.execute('SELECT version FROM "commit"').fetchone()[0]
        model = store.models.add(
            "p", weights.digest, train_run=run, export_run=export, version=version, commit_seq=1,
            steps=step, metrics={}, verdict=json.dumps({"promote": True, "why": ""}), early_of=100,
        )  # fmt: skip
        store.models.promote(model, who="test", why="", change_id="c")
    return model


def end(folder: Folder, run: int, state: RunState) -> None:
    folder.store.runs.move(run, (RunState.RUNNING,), state)


def key_of(folder: Folder, run: int) -> str:
    return folder.store.runs.get(run).key


def test_while_an_early_model_is_live_its_training_is_still_due(folder: Folder) -> None:
    run = folder.begin_training()
    give_early(folder, run, 10)
    end(folder, run, RunState.CANCELLED)
    planned, served = folder.plan(), folder.serve()
    assert planned["action"] == "run"
    assert "model@1 is an early one of it" in planned["why"]
    assert served.state == "waiting"


def test_the_trainings_own_model_takes_the_place_of_its_early_one(folder: Folder) -> None:
    run = folder.begin_training()
    give_early(folder, run, 10)
    end(folder, run, RunState.SUPERSEDED)
    folder.train(live=True)
    assert folder.live == 2
    assert folder.plan()["action"] == "none"


def test_an_early_model_stays_where_the_trainings_own_was_refused(folder: Folder) -> None:
    run = folder.begin_training()
    give_early(folder, run, 10)
    end(folder, run, RunState.SUPERSEDED)
    folder.train(live=False, why="it collapsed: its outputs are nearly the same everywhere")
    planned = folder.plan()
    assert folder.live == 1
    assert planned["action"] == "none"
    assert "model@2 was not promoted: it collapsed" in planned["why"]


def test_a_pinned_early_model_stays(folder: Folder) -> None:
    run = folder.begin_training()
    early = give_early(folder, run, 10)
    folder.store.models.promote(early, who="ada", why="", change_id="c", pin=True)
    end(folder, run, RunState.SUPERSEDED)
    folder.train(live=False, why="model@1 is pinned")
    assert folder.plan()["why"] == "model@1 is pinned"


def test_models_of_a_training_are_compared_with_what_was_live_before_it(folder: Folder) -> None:
    folder.train(live=True)
    folder.add("d")
    run = folder.begin_training()
    give_early(folder, run, 10)
    give_early(folder, run, 30)
    beside = folder.store.models.beside("p", key_of(folder, run))
    assert beside is not None
    assert beside.number == 1
    other = folder.store.models.beside("p", "another training")
    assert other is not None
    assert other.number == 3


def test_a_first_training_is_compared_with_nothing(folder: Folder) -> None:
    run = folder.begin_training()
    give_early(folder, run, 10)
    assert folder.store.models.beside("p", key_of(folder, run)) is None


def test_rolling_back_passes_over_the_early_models_of_the_same_training(folder: Folder) -> None:
    folder.train(live=True)
    folder.add("d")
    run = folder.begin_training()
    give_early(folder, run, 10)
    end(folder, run, RunState.SUPERSEDED)
    folder.train(live=True)
    folder.ask("rollback")
    assert folder.live == 1


def test_rolling_back_where_only_early_ones_were_live_says_what_to_type(folder: Folder) -> None:
    run = folder.begin_training()
    for step in (10, 20, 30):
        give_early(folder, run, step)
    folder.ask("promote", number=2)  # by mistake
    with pytest.raises(
        PixdError, match=r"only early models .* before model@2, .* model@3"
    ) as found:
        folder.ask("rollback")
    assert "pixd rollback p/model@3" in found.value.advice
    assert folder.ask("rollback", number=3)["model"] == "model@3"


def test_a_training_does_not_begin_from_an_early_model(folder: Folder) -> None:
    first = folder.begin_training()
    give_early(folder, first, 10)
    folder.leave_state(first, 10)
    end(folder, first, RunState.SUPERSEDED)
    folder.add(*"defghijkl")
    folder.add("m")
    assert "goes on from" not in folder.plan()["why"]


def test_a_training_begins_from_the_whole_model_before_an_early_one(folder: Folder) -> None:
    folder.add(*"defghijkl")
    folder.train(live=True)
    folder.leave_state(1, 1)
    folder.add("m")
    run = folder.begin_training()
    give_early(folder, run, 10)
    end(folder, run, RunState.SUPERSEDED)
    folder.add("n")
    assert "goes on from model@1" in folder.plan()["why"]


def test_an_early_model_is_given_once_for_a_step(folder: Folder) -> None:
    run = folder.begin_training()
    given = give_early(folder, run, 10)
    assert folder.store.models.early("p", key_of(folder, run), 10) == given
    assert folder.store.models.early("p", key_of(folder, run), 11) is None


def test_an_early_model_cannot_be_made_anew(folder: Folder) -> None:
    give_early(folder, folder.begin_training(), 10)
    with pytest.raises(PixdError, match="model@1 is an early one: its training was at step 10 of"):
        folder.ask("retrain")


def test_gc_lets_early_models_go_first(folder: Folder) -> None:
    run = folder.begin_training()
    give_early(folder, run, 10)
    give_early(folder, run, 30)
    end(folder, run, RunState.SUPERSEDED)
    folder.train(live=True)
    listed = folder.ask("gc", mode="plan")["garbage"]
    assert [one["name"] for one in listed] == ["p/model@1 (generator)", "p/model@2 (generator)"]
    assert {one["why"] for one in listed} == {"early, and not live"}


LIVE = {"l1": 50.0, "ssim": 0.2, "sharpness": 0.9}


@pytest.mark.parametrize(
    ("mine", "promotes"),
    [
        ({"l1": 49.0, "ssim": 0.2}, True),
        ({"l1": 51.0, "ssim": 0.2}, False),
        ({"l1": 51.0, "ssim": 0.3}, True),
        ({"l1": 60.0, "ssim": 0.3}, False),
    ],
)
def test_beside_a_live_model_an_early_one_must_be_better(
    mine: dict[str, Any], promotes: object
) -> None:
    decision = promotion.decide_early({**mine, "live": LIVE, "held_out": 32}, has_live=True)
    assert decision.promote is promotes, decision.why


def test_where_nothing_is_live_an_early_one_is_the_first() -> None:
    decision = promotion.decide_early({"l1": 50.0, "ssim": 0.2, "held_out": 32}, has_live=False)
    assert decision == (True, "the first pictures, held-out L1 50.00 on 32 pairs")
