"""What `pixd try` asks for: which variant is next, what is reused, and what it never changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixd.store import gc
from pixd.store.edges import Edge
from pixd.store.queries import history, retraining
from pixd.store.queries.sweeps import VARIANT, Sweep
from pixd.store.states import RunState
from pixd.store.store import Store
from pixd.system.errors import PixdError
from pixd.training import promotion, stage
from pixd.training.run import Ended, TrainingRun, Trying
from tests.support.commits import record
from tests.support.trained_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.store.close()


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


def sweep_of(folder: Folder) -> Sweep:
    sweep = folder.store.sweeps.newest("p")
    assert sweep is not None
    return sweep


def ask(folder: Folder, *texts: str) -> dict[str, Any]:
    return folder.ask("try", set=list(texts))


def end(folder: Folder, state: RunState = RunState.SUCCEEDED) -> None:
    """End the variant that runs, with a model if it succeeded."""
    store = folder.store
    (run,) = store.runs.active("p")
    run_id = run.id
    sweep = sweep_of(folder)
    store.runs.move(run_id, (RunState.QUEUED,), RunState.RUNNING)
    store.runs.move(run_id, (RunState.RUNNING,), state, reason="it broke")
    if state is not RunState.SUCCEEDED:
        return
    weights = store.objects.add(b"weights of run %d" % run_id)
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([weights], "application/octet-stream")
        store.runs.add_outputs(run_id, [Edge("generator", "generator.keras", weights.digest)])
        version = store.db.execute('SELECT version FROM "commit"').fetchone()[0]
        model = store.models.add(
            "p", weights.digest, train_run=run_id, export_run=run_id, version=version,
            commit_seq=1, steps=1, metrics={"l1": 9.0, "ssim": 0.5, "held_out": 3},
            verdict=f'{{"promote": false, "why": "{VARIANT}ngf 8"}}',
        )  # fmt: skip
        store.sweeps.made(sweep.id, sweep.left[0].number, model.number)


def test_variants_are_trained_one_after_the_other_and_none_goes_live(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    first = folder.serve(may_start=True)
    assert (first.state, starts[0]["recipe"]["ngf"]) == ("running", 8)
    assert first.run is not None
    assert cast("Any", first.run).trying.told == "trying 1 of 2: ngf 8"
    assert first.reason == "variant 1 of 2 of pixd try (ada): ngf 8, from scratch"
    assert starts[0]["early_after_s"] == 0.0
    end(folder)
    folder.serve(may_start=True)
    assert starts[1]["recipe"]["ngf"] == 16
    end(folder)
    assert folder.serve(may_start=True).state == "idle"
    assert len(starts) == 2
    assert folder.live == 1
    assert sweep_of(folder).ended_at is not None
    assert [one.model for one in sweep_of(folder).variants] == [2, 3]


class Fake:
    """A training that runs until it is told how it ended."""

    def __init__(self, run_id: int, key: str, sheet: str) -> None:
        self.run_id, self.key, self.sheet = run_id, key, sheet
        self.trying: Trying | None = None
        self.left: list[RunState] = []
        self.is_over = False
        self.early: list[Any] = []
        self.notes: list[str] = []
        self.preview_trouble = ""
        self.commit = SimpleNamespace(change_id="c1")
        self.scratch = Path("/nonexistent")
        self.progress: dict[str, Any] = {}

    @property
    def reason(self) -> str:
        return self.trying.told if self.trying else "training"

    @property
    def is_leaving(self) -> bool:
        return bool(self.left)

    def read(self, now: float) -> None:
        """Hear nothing."""

    def leave_as(self, state: RunState, *_: Any) -> None:
        self.left.append(state)

    def ended(self) -> Ended | None:
        return Ended(RunState.CANCELLED, "somebody ended it") if self.is_over else None


@pytest.fixture
def side_by_side(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> stage.Training:
    """Return the training of a folder whose model is live; its children are `Fake`."""

    def start(store: Store, settings: Any, run_id: int, key: str, *more: Any) -> Fake:
        store.runs.move(run_id, (RunState.QUEUED,), RunState.RUNNING)
        return Fake(run_id, key, more[-1])

    monkeypatch.setattr(TrainingRun, "start", start)
    monkeypatch.setattr(stage, "room_for_training", lambda *_: "")
    folder.train(live=True)
    return folder.training()


def widths(training: stage.Training) -> list[str]:
    return [run.trying.settings for run in training.runs if run.trying]


def test_where_there_is_room_variants_are_trained_side_by_side(
    folder: Folder, side_by_side: stage.Training
) -> None:
    ask(folder, "train.ngf=8,16,32")
    training = side_by_side
    training.step(100.0, room=1)
    assert widths(training) == ["ngf 8"]
    training.step(101.0, room=0)
    assert widths(training) == ["ngf 8"]
    training.step(102.0, room=2)
    training.step(103.0, room=1)
    training.step(104.0, room=1)  # none is left
    assert widths(training) == ["ngf 8", "ngf 16", "ngf 32"]
    assert training.reason == "trying 1 of 3: ngf 8; 2 more at the same time"
    assert sweep_of(folder).ended_at is None
    sheets = [run.sheet for run in cast("list[Any]", training.runs)]
    assert sheets == ["", f"p-{training.runs[1].run_id}.png", f"p-{training.runs[2].run_id}.png"]


def test_the_next_variant_takes_the_place_of_one_that_ended_and_the_others_go_on(
    folder: Folder, side_by_side: stage.Training
) -> None:
    ask(folder, "train.ngf=8,16,32")
    training = side_by_side
    training.step(100.0, room=1)
    training.step(101.0, room=1)
    first, second = cast("list[Any]", training.runs)
    first.is_over = True
    training.step(102.0, room=1)
    assert training.run is second
    assert training.state == "running"
    training.step(300.0, room=1)  # after the wait that follows an attempt that somebody ended
    assert widths(training) == ["ngf 16", "ngf 8"]  # it goes on from its checkpoint


def test_all_variants_give_way_to_what_the_folder_asks_for(
    folder: Folder, side_by_side: stage.Training
) -> None:
    ask(folder, "train.ngf=8,16")
    training = side_by_side
    training.step(100.0, room=1)
    training.step(101.0, room=1)
    folder.set_train(l1_weight=7)
    runs = cast("list[Any]", training.runs)
    changed = folder.training(*runs)
    changed.step(102.0, room=1)
    assert [run.left for run in runs] == [[RunState.CANCELLED]] * 2
    changed.step(103.0, room=1)
    assert len(changed.runs) == 2  # nothing begins beside what leaves
    for run in runs:
        run.is_over = True
    changed.step(104.0, room=1)
    assert [run.trying for run in changed.runs] == [None]
    told = "SELECT change_id FROM event WHERE message LIKE 'training cancelled:%'"
    assert folder.store.db.execute(told).fetchall() == [("c1",)] * 2


def test_a_stop_ends_all_variants(folder: Folder, side_by_side: stage.Training) -> None:
    ask(folder, "train.ngf=8,16")
    training = side_by_side
    training.step(100.0, room=1)
    training.step(101.0, room=1)
    folder.ask("try", mode="stop")
    training.step(102.0, room=1)
    assert [run.left for run in cast("list[Any]", training.runs)] == [[RunState.CANCELLED]] * 2


def test_a_variant_that_was_trained_before_is_not_trained_again(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.l1_weight=100")
    assert folder.serve(may_start=True).state == "idle"
    assert starts == []
    assert [one.model for one in sweep_of(folder).variants] == [1]


def test_one_whose_weights_were_removed_is_trained_again(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    folder.set_train(ngf=8)
    folder.train(live=True)
    folder.remove_weights(1)
    ask(folder, "train.ngf=64")
    folder.serve(may_start=True)
    assert [spec["recipe"]["ngf"] for spec in starts] == [64]


def test_what_the_folder_asks_for_goes_first(folder: Folder, starts: list[dict[str, Any]]) -> None:
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    assert starts[0]["recipe"]["ngf"] == 64


def test_the_pairs_are_those_of_the_beginning_whatever_is_added_later(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    folder.serve(may_start=True)
    end(folder)
    folder.add("d", "e")
    folder.train(live=True)  # of the new pairs
    folder.serve(may_start=True)
    names = [{p["name"] for side in ("train", "held_out") for p in one[side]} for one in starts]
    assert names == [{"a", "b", "c"}] * 2


def test_asking_the_same_again_goes_on_and_other_settings_must_wait(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    first = ask(folder, "train.ngf=8,16")
    folder.serve(may_start=True)
    again = ask(folder, "train.ngf=8,16")
    assert (again["sweep"], again["is_new"]) == (first["sweep"], False)
    with pytest.raises(PixdError, match="0 of 2 variants are trained"):
        ask(folder, "train.ngf=32")
    assert len(starts) == 1


def test_asking_the_same_again_after_all_are_trained_changes_nothing(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    end(folder)
    folder.serve(may_start=True)
    before = sweep_of(folder)
    ask(folder, "train.ngf=8")
    assert sweep_of(folder) == before
    folder.remove_weights(2)
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    assert [spec["recipe"]["ngf"] for spec in starts] == [8, 8]


def test_of_other_pairs_the_same_settings_are_tried_anew_once_the_last_has_ended(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    first = ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    folder.add("d")
    assert ask(folder, "train.ngf=8")["sweep"] == first["sweep"]
    end(folder)
    folder.train(live=True)
    folder.serve(may_start=True)
    assert sweep_of(folder).ended_at is not None
    assert ask(folder, "train.ngf=8")["sweep"] > first["sweep"]
    folder.serve(may_start=True)
    assert [len(spec["train"] + spec["held_out"]) for spec in starts] == [3, 4]


def test_after_a_stop_the_same_goes_on_where_it_was(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    folder.serve(may_start=True)
    end(folder)
    assert folder.ask("try", mode="stop")["left"] == 1
    assert folder.serve(may_start=True).state == "idle"
    assert sweep_of(folder).variants[1].trouble == "stopped by ada"
    with pytest.raises(PixdError, match="no settings of p are being tried"):
        folder.ask("try", mode="stop")
    ask(folder, "train.ngf=8,16")
    folder.serve(may_start=True)
    assert [spec["recipe"]["ngf"] for spec in starts] == [8, 16]


def test_one_that_fails_too_often_is_given_up_and_the_next_is_trained(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    for _ in range(3):
        folder.serve(may_start=True)
        end(folder, RunState.FAILED)
    folder.serve(may_start=True)
    assert [spec["recipe"]["ngf"] for spec in starts] == [8, 8, 8, 16]
    assert "given up after 3 attempts: it broke" in sweep_of(folder).variants[0].trouble


def test_nothing_is_tried_of_other_settings_than_those_in_force_when_it_begins(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8")
    folder.set_train(validation=0.5)
    folder.train(live=True)
    folder.serve(may_start=True)
    assert starts == []
    assert "config.yaml was changed" in sweep_of(folder).variants[0].trouble


def test_nothing_learns_from_an_image_that_was_recalled(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    end(folder, RunState.CANCELLED)
    digest = folder.split.train[0].files[0][1]
    with folder.store.transaction():
        folder.store.exclusions.add("p", digest, "a.png", "no consent", "c")
    folder.serve(may_start=False)
    assert sweep_of(folder).variants[0].trouble == "a.png was recalled"


def test_without_pairs_there_is_nothing_to_try(folder: Folder) -> None:
    with folder.store.transaction():
        folder.store.db.conn.execute("UPDATE file SET state = 'rejected'")
    with pytest.raises(PixdError, match="has no pairs"):
        ask(folder, "train.ngf=8")
    assert folder.store.sweeps.newest("p") is None


def test_config_yaml_that_asks_for_a_variants_settings_gets_its_model_by_its_scores(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    end(folder)
    assert folder.plan()["action"] == "none"
    folder.set_train(ngf=8)
    assert folder.plan() == {
        "action": "reuse",
        "model": "model@2",
        "why": "these pairs and settings made model@2 before",
    }
    folder.serve(may_start=True)
    assert (folder.live, len(starts)) == (2, 1)


@pytest.mark.parametrize(
    ("mode", "live_l1", "is_promoted"),
    [("if-better", 10.0, True), ("if-better", 2.0, False), ("always", 2.0, True),
     ("manual", 10.0, False)],
)  # fmt: skip
def test_of_a_variant_the_scores_decide_once_config_yaml_asks_for_it(
    mode: str, live_l1: float, *, is_promoted: bool
) -> None:
    metrics = f'{{"l1": 9.0, "ssim": 0.5, "held_out": 9, "live": {{"l1": {live_l1}, "ssim": 0.5}}}}'
    verdict = f'{{"promote": false, "why": "{VARIANT}ngf 8"}}'
    assert promotion.decide_again(mode, metrics, verdict).promote == is_promoted


def test_a_promoted_variant_is_kept_by_its_pin_and_the_plan_says_so(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8")
    folder.serve(may_start=True)
    end(folder)
    folder.ask("promote", number=2)
    assert folder.serve(may_start=True).reason == "model@2 is pinned"
    assert folder.plan()["why"] == "model@2 is pinned"
    assert folder.whole_plan()["keep"] == {
        "model": "model@2",
        "apart": ["train.ngf is 8, in config.yaml 64"],
    }
    folder.ask("unpin")
    assert folder.plan()["action"] == "reuse"
    assert folder.whole_plan()["keep"] is None
    assert len(starts) == 1


def test_the_plan_says_how_many_variants_are_left(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    assert folder.whole_plan()["try"] is None
    ask(folder, "train.steps=10,20")
    assert folder.whole_plan()["try"]["steps"] == 30
    folder.serve(may_start=True)
    end(folder)
    left = folder.whole_plan()["try"]
    assert (left["left"], left["variants"], left["steps"]) == (1, 2, 20)
    assert len(starts) == 1


def test_a_run_is_explained_by_the_training_before_the_variants(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    for _ in range(2):
        folder.serve(may_start=True)
        end(folder)
    reader = folder.store.db.conn
    newest = folder.store.models.numbered("p", 3)
    assert newest is not None
    assert history.train_run_before(reader, "p", newest.train_run) == 1
    found = retraining.newest_model(reader, "p")
    assert found is not None
    assert found.number == 1
    assert folder.offered() == []
    assert len(starts) == 2


def test_gc_keeps_the_last_variants_and_counts_none_among_the_newest_models(
    folder: Folder, starts: list[dict[str, Any]]
) -> None:
    folder.train(live=True)
    for text in ("train.ngf=8", "train.ngf=16"):
        ask(folder, text)
        folder.serve(may_start=True)
        end(folder)
        folder.serve(may_start=True)
    folder.set_train(ngf=32)
    folder.train(live=True)
    found = {one.name: one.why for one in gc.plan(folder.store, {"p": 2})}
    assert found == {"p/model@2 (generator)": "a variant of an older `pixd try`"}
    folder.ask("promote", number=2)
    assert gc.plan(folder.store, {"p": 2}) == []
    assert len(starts) == 2


def test_gc_keeps_the_pairs_of_a_sweep_that_goes_on(folder: Folder) -> None:
    store, repo = folder.store, folder.store.history.repo_id("p", "training")
    sweep = ask(folder, "train.ngf=8")["sweep"]
    listed = store.objects.add(b"{}")
    with store.transaction():
        store.history.add_objects([listed], "application/json")
        store.sweeps.begin(sweep, 1, listed.digest)
    record(store, repo, {}, ["a"])
    assert gc.plan(store, {"p": 1}) == []
    folder.ask("try", mode="stop")
    assert [one.name for one in gc.plan(store, {"p": 1})] == ["p/training/a"]


class Runs:
    """A training of a variant that is under way, as far as the stage asks."""

    def __init__(self, sweep: int) -> None:
        self.trying = Trying(sweep, 1, 2, "ngf 8")
        self.run_id, self.is_leaving, self.worker = 0, False, None
        self.early: list[Any] = []
        self.reason, self.left_as = "trying 1 of 2: ngf 8", ""
        self.notes: list[str] = []
        self.preview_trouble = ""
        self.commit = SimpleNamespace(change_id="c1")

    def read(self, _now: float) -> None: ...

    def ended(self) -> None: ...

    def leave_as(self, _state: RunState, reason: str, _now: float) -> None:
        self.is_leaving, self.left_as = True, reason


def test_a_variant_gives_way_to_what_the_folder_asks_for_and_to_a_stop(folder: Folder) -> None:
    folder.train(live=True)
    ask(folder, "train.ngf=8,16")
    sweep = sweep_of(folder).id
    assert folder.serve_beside(Runs(sweep)).left_as == ""
    folder.add("d")
    assert folder.serve_beside(Runs(sweep), may_start=False).left_as == ""
    assert folder.serve_beside(Runs(sweep)).left_as == "the folder's own training goes first"
    folder.ask("try", mode="stop")
    assert folder.serve_beside(Runs(sweep)).left_as == "pixd try --stop ended it"
