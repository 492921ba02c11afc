"""Whether a training is due: what `pixd plan` says is what the service does, in the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixd.answers import plan
from pixd.config import PipelineSettings, Settings
from pixd.store import connection
from pixd.store.edges import Edge
from pixd.store.opening import open_store
from pixd.store.runs import run_key
from pixd.store.states import FileState, RunState
from pixd.system.children.spawner import LocalSpawner
from pixd.system.digests import digest_of
from pixd.training import recipe, snapshot, stage
from pixd.training.dataset import pairs, split
from pixd.training.run import TrainingRun
from tests.support.commits import record

NEVER_BETTER = "worse: held-out L1 40 against 31"


class Folder:
    """A store with pairs in a training folder, for the service and for `pixd plan`."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = PipelineSettings(
            name="p", training=folder / "t", input=folder / "i", output=folder / "o"
        )
        self.settings = Settings(
            path=folder / "config.yaml", store=folder / "store", pipelines=(self.pipeline,)
        )
        self.store = open_store(self.settings.store)
        self.add("a", "b", "c")

    def add(self, *names: str) -> None:
        repo = self.store.history.repo_id("p", "training")
        record(self.store, repo, {name: name.encode() for name in names}, [])
        files = [
            (name, digest)
            for name, digest, *_ in self.store.working.recorded(repo, (FileState.RECORDED,))
        ]
        self.pairs = pairs.pair_up("side-by-side", files)
        self.split = split.split(self.pairs.pairs, self.pipeline.train.validation, {})

    def promote_by(self, mode: str) -> None:
        self.pipeline = replace(self.pipeline, train=replace(self.pipeline.train, promote=mode))

    @property
    def recipe(self) -> dict[str, Any]:
        return recipe.train_recipe(self.pipeline, self.settings.precision)

    def begin_training(self) -> int:
        """Write the run that these pairs and settings ask for."""
        digest = self.store.runs.add_recipe("train", self.recipe)
        inputs = self.split.key_inputs(self.pipeline.train.validation)
        key = run_key("train", recipe.TRAIN_REVISION, digest, inputs)
        listed = self.store.objects.add(snapshot.listing_of(self.split.train, self.split.held_out))
        self.store.objects.flush()
        with self.store.transaction():
            self.store.history.add_objects([listed], "application/json")
            return self.store.runs.queue(
                "p", "train", key, change_id="c", recipe=digest, reason="", state=RunState.RUNNING,
                inputs=[Edge("pairs", "pairs", listed.digest)],
            )  # fmt: skip

    def train(self, *, live: bool, why: str = "", metrics: dict[str, Any] | None = None) -> int:
        """Write a training that succeeded, its model, and whether it is live."""
        store, run = self.store, self.begin_training()
        weights = store.objects.add(b"weights of run %d" % run)
        store.objects.flush()
        with store.transaction():
            store.history.add_objects([weights], "application/octet-stream")
            store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
            store.runs.add_outputs(run, [Edge("generator", "generator.keras", weights.digest)])
            version = store.db.execute('SELECT version FROM "commit"').fetchone()[0]
            verdict = json.dumps({"promote": live, "why": why})
            model = store.models.add(
                "p", weights.digest, train_run=run, export_run=run, version=version, commit_seq=1,
                steps=1, metrics=metrics or {}, verdict=verdict,
            )  # fmt: skip
            if live:
                store.models.promote(model, who="test", why=why, change_id="c")
        return model.number

    def remove_weights(self, number: int) -> None:
        digest = digest_of(b"weights of run %d" % number)
        with self.store.transaction():
            self.store.db.conn.execute(
                "UPDATE object_bytes SET state = 'removed' WHERE digest = ?", (digest,)
            )

    def plan(self) -> dict[str, Any]:
        reader = connection.open_reader(self.store.folder)
        try:
            return dict(plan.of_pipeline(reader, self.settings, self.pipeline)["train"])
        finally:
            reader.close()

    def serve(self, *, may_start: bool = False) -> stage.Training:
        """Take one step as the service does."""
        repo = self.store.history.repo_id("p", "training")
        dataset = SimpleNamespace(
            plan=self.pairs,
            split=self.split,
            commit=self.store.history.head(repo),
            key_inputs=self.split.key_inputs(self.pipeline.train.validation),
            step=lambda _now: None,
        )
        intake = SimpleNamespace(repo_id=repo, last_change_at=None, is_calm=True)
        training = stage.Training(
            self.store,
            self.settings,
            self.pipeline,
            cast("Any", intake),
            cast("Any", dataset),
            LocalSpawner(),
        )
        training.step(100.0, may_start=may_start)
        return training

    @property
    def live(self) -> int | None:
        model = self.store.models.live("p")
        return model.number if model else None


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
    assert planned["why"] == served.reason == f"model@2 was not promoted: {NEVER_BETTER}"


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
