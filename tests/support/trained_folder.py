"""A store with pairs in a training folder, for the service and for `pixd plan`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pixd.answers import plan, status
from pixd.config import PipelineSettings, Settings
from pixd.service import operations
from pixd.store import connection
from pixd.store.edges import Edge
from pixd.store.opening import open_store
from pixd.store.runs import run_key
from pixd.store.states import FileState, RunState
from pixd.system.children.spawner import LocalSpawner
from pixd.system.digests import digest_of
from pixd.training import recipe, snapshot, stage, warm_start
from pixd.training.dataset import pairs, split
from pixd.training.recipe import TRAIN_REVISION
from tests.support.commits import record


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
        self.read()

    def read(self) -> None:
        """Make the pairs of what is recorded."""
        repo = self.store.history.repo_id("p", "training")
        files = [
            (name, digest)
            for name, digest, *_ in self.store.working.recorded(repo, (FileState.RECORDED,))
        ]
        self.pairs = pairs.pair_up("side-by-side", files)
        self.split = split.split(self.pairs.pairs, self.pipeline.train.validation, {})

    def promote_by(self, mode: str) -> None:
        self.set_train(promote=mode)

    def set_train(self, **settings: Any) -> None:
        self.pipeline = replace(self.pipeline, train=replace(self.pipeline.train, **settings))
        self.settings = replace(self.settings, pipelines=(self.pipeline,))

    def offered(self) -> list[str]:
        """Return what `pixd status` offers."""
        (pipeline,) = status.snapshot(self.settings)["pipelines"].values()
        return [offer["told"] for offer in pipeline["offers"]]

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        asked = {"pipeline": "p", **arguments}
        return operations.perform(self.store, self.settings, op, asked, "ada")

    def leave_state(self, run: int, *steps: int) -> None:
        """Write the folders of a training's checkpoints."""
        at = warm_start.checkpoints_of(self.store.db.conn, self.store.folder, run)
        for step in steps:
            (at / f"step-{step:08d}").mkdir(parents=True)

    @property
    def recipe(self) -> dict[str, Any]:
        return recipe.train_recipe(self.pipeline, self.settings.precision)

    def begin_training(self, revision: int = TRAIN_REVISION) -> int:
        """Write the run that these pairs and settings ask for, as a revision of the code does."""
        digest = self.store.runs.add_recipe("train", self.recipe)
        inputs = self.split.key_inputs(self.pipeline.train.validation)
        key = run_key("train", revision, digest, inputs)
        listed = self.store.objects.add(snapshot.listing_of(self.split.train, self.split.held_out))
        self.store.objects.flush()
        with self.store.transaction():
            self.store.history.add_objects([listed], "application/json")
            return self.store.runs.queue(
                "p", "train", key, change_id="c", recipe=digest, reason="", state=RunState.RUNNING,
                inputs=[Edge("pairs", "pairs", listed.digest)],
            )  # fmt: skip

    def train(
        self,
        *,
        live: bool,
        why: str = "",
        metrics: dict[str, Any] | None = None,
        revision: int = TRAIN_REVISION,
        steps: int = 1,
    ) -> int:
        """Write a training that succeeded, its model, and whether it is live."""
        store, run = self.store, self.begin_training(revision)
        weights = store.objects.add(b"weights of run %d" % run)
        store.objects.flush()
        with store.transaction():
            store.history.add_objects([weights], "application/octet-stream")
            progress = {"step": steps, "steps": steps}
            store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED, progress=progress)
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
        return dict(self.whole_plan()["train"])

    def whole_plan(self) -> dict[str, Any]:
        reader = connection.open_reader(self.store.folder)
        try:
            return dict(plan.of_pipeline(reader, self.settings, self.pipeline))
        finally:
            reader.close()

    def serve(self, *, may_start: bool = False) -> stage.Training:
        """Take one step as the service does."""
        training = self.training()
        training.step(100.0, may_start=may_start)
        return training

    def serve_beside(self, run: Any, *, may_start: bool = True) -> Any:
        """Take one step while a training runs, and return that."""
        self.training(run).step(100.0, may_start=may_start)
        return run

    def training(self, *runs: Any) -> stage.Training:
        """Return the training of the pipeline, while `runs` run."""
        repo = self.store.history.repo_id("p", "training")
        dataset = SimpleNamespace(
            plan=self.pairs,
            split=self.split,
            commit=self.store.history.head(repo),
            key_inputs=self.split.key_inputs(self.pipeline.train.validation),
            step=lambda _now: None,
            progress=lambda _now: None,
        )
        intake = SimpleNamespace(repo_id=repo, last_change_at=None, is_calm=True)
        return stage.Training(
            self.store,
            self.settings,
            self.pipeline,
            cast("Any", intake),
            cast("Any", dataset),
            LocalSpawner(),
            runs=runs,
        )

    @property
    def live(self) -> int | None:
        model = self.store.models.live("p")
        return model.number if model else None
