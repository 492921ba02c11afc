"""Whether a training is due: what `pixd plan` says is what the service does, in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixd.answers import offers, plan
from pixd.store import connection
from pixd.store.queries.training_set import KinRow
from pixd.store.revisions import ARITHMETIC as ARITHMETIC_KIND
from pixd.store.revisions import Revision
from pixd.store.states import RunState
from pixd.system.digests import digest_of
from pixd.system.errors import PixdError
from pixd.training import recipe, stage
from pixd.training.dataset import pairs, sides, split
from pixd.training.run import TrainingRun
from tests.support.trained_folder import Folder

NEVER_BETTER = "worse: held-out L1 40 against 31"


TABLE = (*recipe.REVISIONS[:6], Revision(recipe.TRAIN_REVISION, ARITHMETIC_KIND, "0.1", "rounds"))
"""Of revisions: by the last three only the arithmetic is another, whatever pixd's own come to be."""


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (recipe, sides, offers):
        monkeypatch.setattr(module, "REVISIONS", TABLE)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    one = Folder(tmp_path)
    yield one
    one.store.close()


def two_models(folder: Folder, **second: Any) -> None:
    """model@1 is live, of fewer pairs; model@2, of all of them, is not."""
    folder.train(live=True)
    folder.add("d")
    folder.train(live=False, **{"why": NEVER_BETTER, **second})


def test_with_promote_always_a_refused_model_is_made_live_and_the_plan_says_so(
    folder: Folder,
) -> None:
    two_models(folder)
    folder.promote_by("always")
    planned = folder.plan()
    served = folder.serve()
    assert folder.live == 2
    assert (planned["action"], planned["model"]) == ("reuse", "model@2")
    assert planned["why"] == served.reason == "these pairs and settings made model@2 before"


def gone_back(folder: Folder) -> None:
    """model@2, of all pairs, was live; a person went back to model@1, and unpinned it."""
    folder.train(live=True)
    folder.add("d")
    folder.train(live=True)
    model = folder.store.models.numbered("p", 1)
    assert model is not None
    folder.store.models.promote(model, who="test", why="", change_id="c")


def test_a_model_that_was_live_before_is_made_live_again(folder: Folder) -> None:
    gone_back(folder)
    planned, served = folder.plan(), folder.serve()
    assert folder.live == 2
    assert (planned["action"], planned["why"]) == ("reuse", served.reason)


def test_a_model_whose_weights_are_gone_is_trained_again_and_the_plan_says_so(
    folder: Folder,
) -> None:
    gone_back(folder)
    folder.remove_weights(2)
    planned = folder.plan()
    assert folder.serve().state == "waiting"  # for its turn to train
    assert folder.live == 1
    assert planned["action"] == "run"


def test_a_model_of_a_recalled_image_is_trained_again_and_the_plan_says_so(
    folder: Folder,
) -> None:
    gone_back(folder)
    folder.store.exclusions.add("p", digest_of(b"d"), "d", "asked for", "c")
    planned = folder.plan()
    assert folder.serve().state == "waiting"
    assert folder.live == 1
    assert planned["action"] == "run"


def test_a_training_that_was_given_up_is_not_planned(folder: Folder) -> None:
    for _ in range(3):
        run = folder.begin_training()
        folder.store.runs.move(run, (RunState.RUNNING,), RunState.FAILED, reason="it is ill")
    planned, served = folder.plan(), folder.serve()
    assert served.state == "failed"
    assert planned["action"] == "none"
    assert planned["why"] == served.reason
    assert served.reason == "given up after 3 attempts: it is ill; `pixd retry` tries again"


@pytest.mark.parametrize("bad", [{"identity_like": True}, {"collapsed": True}])
def test_a_broken_model_is_not_made_live_at_the_next_step_either(
    folder: Folder, bad: dict[str, Any]
) -> None:
    two_models(folder, why="it is broken", metrics=bad)
    folder.promote_by("always")
    planned, served = folder.plan(), folder.serve()
    assert folder.live == 1
    assert planned["action"] == "none"
    assert planned["why"] == served.reason == "model@2 was not promoted: it is broken"


def test_a_refused_model_stays_so_with_its_reason(folder: Folder) -> None:
    two_models(folder)
    planned, served = folder.plan(), folder.serve()
    assert planned["action"] == "none"
    told = "`pixd promote model@2` makes it live all the same"
    assert planned["why"] == served.reason == f"model@2 was not promoted: {NEVER_BETTER}; {told}"


def test_nothing_is_due_where_the_live_model_is_of_these_pairs(folder: Folder) -> None:
    folder.train(live=True)
    planned, served = folder.plan(), folder.serve()
    assert (planned["action"], served.state) == ("none", "idle")
    assert planned["why"] == served.reason == "the live model is of these pairs and settings"


def test_a_pinned_model_stays_live(folder: Folder) -> None:
    two_models(folder)
    folder.promote_by("always")
    model = folder.store.models.live("p")
    assert model is not None
    folder.store.models.promote(model, who="test", why="", change_id="c", pin=True)
    planned, served = folder.plan(), folder.serve()
    assert folder.live == 1
    assert planned["why"] == served.reason == "model@1 is pinned"


def test_no_pairs_is_said_by_both(folder: Folder) -> None:
    with folder.store.transaction():
        folder.store.db.conn.execute("UPDATE file SET state = 'rejected'")
    folder.pairs = pairs.pair_up("side-by-side", [])
    planned, served = folder.plan(), folder.serve()
    assert planned["action"] == "none"
    assert planned["why"] == served.reason == "there are no pairs in the training folder"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Start no child; return the specs that the children would get."""
    specs: list[dict[str, Any]] = []

    def start(*arguments: Any) -> SimpleNamespace:
        specs.append(arguments[5])
        return SimpleNamespace(worker=None)

    monkeypatch.setattr(TrainingRun, "start", start)
    monkeypatch.setattr(stage, "room_for_training", lambda *_: "")
    return specs


def by_plan_and_service(folder: Folder) -> str:
    """Return why it trains, which both must say alike."""
    planned, served = folder.plan(), folder.serve(may_start=True)
    assert planned["action"] == "run"
    assert planned["why"] == served.reason
    return served.reason


OTHERWISE = "pixd 0.1 picks the weights of a model otherwise (by L1 and structure together)"
ARITHMETIC, RESULTS = 3, 2
"""Revisions of a training before the present one: after it nothing, or something, is otherwise."""


def test_after_other_arithmetic_nothing_is_due_and_nothing_is_offered(folder: Folder) -> None:
    folder.train(live=True, revision=ARITHMETIC)
    planned, served = folder.plan(), folder.serve()
    assert planned["why"] == served.reason == "the live model is of these pairs and settings"
    assert folder.offered() == []
    result = folder.ask("retrain")
    assert (result["asked"], result["why"]) == (False, "")
    assert folder.serve().state == "idle"


def test_after_other_results_the_model_stays_and_another_is_offered(folder: Folder) -> None:
    folder.train(live=True, revision=RESULTS)
    offer = f"{OTHERWISE}; `pixd retrain` makes model@1 anew"
    assert folder.offered() == [offer]
    planned, served = folder.plan(), folder.serve(may_start=True)
    assert (planned["action"], served.state, folder.live) == ("none", "idle", 1)
    same = "the live model is of these pairs and settings"
    assert planned["why"] == served.reason == f"{same}; {offer}"


def test_what_a_pin_prevents_is_not_announced(folder: Folder) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.ask("promote", number=1)
    folder.set_train(on_upgrade="retrain")
    assert folder.offered() == []
    planned, served = folder.plan(), folder.serve(may_start=True)
    assert planned["why"] == served.reason == "the live model is of these pairs and settings"


def test_a_pinned_model_has_its_outputs_kept_whatever_is_trained(folder: Folder) -> None:
    folder.train(live=True)
    folder.ask("promote", number=1)
    folder.add("d")
    reader = connection.open_reader(folder.store.folder)
    planned = plan.of_pipeline(reader, folder.settings, folder.pipeline)
    reader.close()
    assert planned["train"]["action"] == "run"
    assert planned["translate"]["due_after_training"] == 0


def test_with_on_upgrade_retrain_it_trains_and_says_why_before(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.set_train(on_upgrade="retrain")
    (offer,) = folder.offered()
    assert offer == f"{OTHERWISE}; model@1 anew follows (train.on_upgrade: retrain)"
    assert by_plan_and_service(folder) == f"{OTHERWISE} (train.on_upgrade: retrain)"
    assert len(starts) == 1


def test_on_upgrade_is_in_no_key(folder: Folder) -> None:
    before = folder.recipe
    folder.set_train(on_upgrade="retrain")
    assert folder.recipe == before


@pytest.mark.parametrize("revision", [ARITHMETIC, RESULTS])
def test_a_model_of_an_earlier_revision_comes_back_with_its_settings(
    folder: Folder, revision: int
) -> None:
    folder.train(live=True, revision=revision)
    folder.set_train(l1_weight=1.0)
    folder.train(live=True)
    folder.set_train(l1_weight=100.0)
    assert folder.plan()["action"] == "reuse"
    folder.serve()
    assert folder.live == 1


def test_retrain_makes_the_model_anew_from_scratch_with_the_reason(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True, revision=RESULTS)
    result = folder.ask("retrain")
    assert (result["asked"], result["model"], result["why"]) == (True, "model@1", OTHERWISE)
    (offer,) = folder.offered()
    assert offer == f"{OTHERWISE}; model@1 anew was asked for and follows"
    asked = "asked for by pixd retrain (ada): model@1 anew, from scratch"
    assert by_plan_and_service(folder) == f"{asked}, because {OTHERWISE}"
    assert "warm_start" not in starts[0]


def test_retrain_by_force_needs_no_upgrade_and_does_not_end_at_the_old_state(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    folder.leave_state(1, 1)
    assert not folder.ask("retrain")["asked"]
    assert folder.ask("retrain", force=True)["asked"]
    said = by_plan_and_service(folder)
    assert said == "asked for by pixd retrain (ada): model@1 anew, from scratch"
    assert not list(Path(starts[0]["checkpoints"]).glob("step-*"))


def test_retrain_of_an_older_model_has_its_pairs_and_settings_and_replaces_nothing(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.set_train(l1_weight=1.0)
    folder.train(live=True, revision=RESULTS)
    folder.add("d")
    folder.set_train(l1_weight=100.0)
    folder.train(live=True)
    for name in ("a", "b", "c"):
        folder.store.objects.add(name.encode())
    folder.store.objects.flush()
    folder.ask("retrain", number=1)
    assert folder.plan()["anew"] == "model@1"
    assert by_plan_and_service(folder).startswith("asked for by pixd retrain (ada): model@1 anew")
    (spec,) = starts
    assert spec["recipe"]["l1_weight"] == 1.0
    assert sorted(pair["name"] for pair in spec["train"]) == ["a", "b", "c"]
    assert folder.live == 2


def test_retrain_of_a_recalled_image_is_refused(folder: Folder) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.store.exclusions.add("p", digest_of(b"c"), "c", "asked for", "c")
    with pytest.raises(PixdError, match="trained on c, which was recalled"):
        folder.ask("retrain")


def test_an_image_that_is_recalled_meanwhile_ends_the_wish(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.ask("retrain")
    folder.store.exclusions.add("p", digest_of(b"c"), "c", "asked for", "c")
    with folder.store.transaction():
        folder.store.db.conn.execute("UPDATE file SET state = 'rejected' WHERE path = 'c'")
    folder.read()
    folder.serve()
    assert folder.store.retraining.of("p") is None
    told = folder.store.db.execute("SELECT message FROM event ORDER BY id DESC").fetchone()[0]
    assert told == "model@1 is not made anew: c was recalled"
    assert not starts


def test_retrain_is_given_up_after_three_failures(folder: Folder) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.ask("retrain")
    for _ in range(3):
        run = folder.begin_training()
        folder.store.runs.move(run, (RunState.RUNNING,), RunState.FAILED, reason="it is ill")
    folder.serve(may_start=True)
    assert folder.store.retraining.of("p") is None
    told = folder.store.db.execute("SELECT message FROM event ORDER BY id DESC").fetchone()[0]
    assert told.startswith("model@1 is not made anew: given up after 3 attempts: it is ill")


def test_added_pairs_go_on_from_a_model_of_an_earlier_revision(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True, revision=RESULTS)
    folder.leave_state(1, 200)
    folder.add("d")
    assert by_plan_and_service(folder) == "+1 pair; goes on from model@1 with 62% of the steps"
    assert starts[0]["warm_start"]["model"] == "model@1"


@pytest.mark.parametrize("revision", [ARITHMETIC, RESULTS])
def test_a_training_that_an_upgrade_interrupted_goes_on(
    folder: Folder, starts: list[dict[str, Any]], revision: int
) -> None:
    run = folder.begin_training(revision)
    folder.leave_state(run, 120)
    folder.store.runs.move(run, (RunState.RUNNING,), RunState.CANCELLED, reason="stopped")
    said = by_plan_and_service(folder)
    assert said == "first training on 3 pairs; goes on from step 120, where an earlier pixd stopped"
    assert [at.name for at in Path(starts[0]["checkpoints"]).iterdir()] == ["step-00000120"]


def test_more_steps_go_on_and_only_what_changed_is_named(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.set_train(epochs=None, steps=200)
    folder.train(live=True, steps=200)
    folder.leave_state(1, 160, 200)
    folder.set_train(l1_weight=1.0)
    folder.train(live=False, why=NEVER_BETTER, steps=200)
    folder.set_train(l1_weight=100.0, steps=300)
    assert folder.plan()["steps"] == 100
    assert by_plan_and_service(folder) == "steps 200 -> 300; goes on from model@1 at step 200"
    assert starts[0]["warm_start"]["until"] == 300
    edges = folder.store.db.execute("SELECT path FROM run_input WHERE role = 'warm-start'")
    assert edges.fetchall() == [("model@1",)]


def test_more_steps_after_a_warm_start_are_only_those_more(folder: Folder) -> None:
    folder.set_train(epochs=None, steps=200)
    folder.train(live=True, steps=50)  # a quarter, from another model
    folder.leave_state(1, 50)
    folder.set_train(steps=300)
    assert folder.plan()["steps"] == 100


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"steps": 100}, "a model with fewer steps cannot go on from one with more"),
        ({"steps": 300, "l1_weight": 1.0}, ""),
        ({"steps": 300, "warm_start": "never"}, ""),
    ],
)
def test_what_is_not_only_more_steps_begins_from_scratch(
    folder: Folder, settings: dict[str, Any], why: str
) -> None:
    folder.set_train(epochs=None, steps=200)
    folder.train(live=True, steps=200)
    folder.leave_state(1, 200)
    folder.set_train(**settings)
    planned = folder.plan()
    assert planned["steps"] == settings["steps"]
    assert planned["why"].partition("from scratch, because ")[2] == why


def test_a_model_that_is_worse_by_intent_is_offered(folder: Folder) -> None:
    folder.train(live=True)
    folder.set_train(l1_weight=1.0)
    folder.train(live=False, why=NEVER_BETTER)
    told = f"model@2 was not promoted: {NEVER_BETTER}; `pixd promote model@2` makes it live all the same"
    assert folder.offered() == [told]
    assert folder.plan()["why"] == told
    folder.set_train(l1_weight=100.0)
    assert folder.offered() == []  # nobody wants it any more


def test_a_folder_whose_near_duplicates_were_on_both_sides_is_not_trained_unasked(
    folder: Folder,
) -> None:
    folder.add(*(f"{number}" for number in range(20)))
    folder.set_train(validation=0.4)
    folder.split = split.split(folder.pairs.pairs, 0.4, {})
    folder.train(live=True, revision=RESULTS)
    first, second = folder.split.train[0].digest, folder.split.held_out[0].digest
    folder.store.care.add_kin("p", "side-by-side", [KinRow(second, first, (), (second,), 1)])
    folder.split = split.split(folder.pairs.pairs, 0.4, {second: split.Kin(first)})
    planned, served = folder.plan(), folder.serve(may_start=True)
    assert served.state == "idle"
    assert planned["why"] == served.reason
    assert (
        f"keeps near-duplicates on one side of the held-out split, and {OTHERWISE}"
        in planned["why"]
    )
    assert folder.ask("retrain")["asked"]
    assert folder.plan()["action"] == "run"


@pytest.mark.parametrize("has_trained", [False, True])
def test_a_run_has_the_reason_that_was_planned(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, *, has_trained: bool
) -> None:
    if has_trained:
        folder.train(live=True)
        folder.add("d")
    started = SimpleNamespace(worker=None)
    monkeypatch.setattr(TrainingRun, "start", lambda *_: started)
    monkeypatch.setattr(stage, "room_for_training", lambda *_: "")
    planned = folder.plan()
    served = folder.serve(may_start=True)
    assert served.run is cast("Any", started)
    assert planned["action"] == "run"
    assert planned["why"] == served.reason
