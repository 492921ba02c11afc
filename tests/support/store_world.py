"""The real store with real folders, driven as the service drives it, and a power cut at any step.

No child process: a training's files are written here and handed over as the trainer hands them
over, and a translator in this process answers the real `pixd.translation.stage`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pixd.config import PipelineSettings, Settings
from pixd.config.settings import KeepSettings, TrainSettings
from pixd.folders import restore, scan
from pixd.folders.intake import Intake
from pixd.folders.recorder import Recorder
from pixd.folders.settle import Ready
from pixd.service import operations, recall, recovery
from pixd.store import connection, gc
from pixd.store.edges import Edge
from pixd.store.opening import open_store
from pixd.store.queries import lineage
from pixd.store.runs import run_key
from pixd.store.states import RunState
from pixd.system import crash_points
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import Result, TranslateSpec
from pixd.system.children.spec_parts import OutputFile
from pixd.system.children.warm_worker import Answer, Note
from pixd.system.children.worker import Worker
from pixd.system.digests import canonical_json, digest_of, hash_file
from pixd.training.publishing import publish_early, publish_model
from pixd.training.run import TrainingRun
from pixd.translation import removing, translator
from pixd.translation.stage import Translation

PIPELINES = ("p", "q")
KINDS = ("training", "input")
KEEP_MODELS = 1
RECENT_REFS = 2  # instead of `gc.RECENT_REFS`, so that few deeds reach past it


class PowerCut:
    """Copies the folders as they stand before the n-th change that a program makes to them.

    A change is a statement that writes, a rename, a link, an unlink, or a crash point. What goes
    on after the copy was taken is a future that never was: `World.come_back` drops it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copy = folder / "cut"
        self.changes_left = 0
        self.is_counting = False  # only while a deed is done
        self.patch = pytest.MonkeyPatch()
        for name in ("rename", "unlink", "link"):
            self.patch.setattr(os, name, self._counting(getattr(os, name)))
        self.patch.setattr(crash_points, "crash_point", self._counting(crash_points.crash_point))

    @property
    def has_come(self) -> bool:
        return self.copy.exists()

    def statement(self, sql: str) -> None:
        if not sql.lstrip().startswith(("SELECT", "PRAGMA", "--")):
            self._count()

    def _counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._count()
            return function(*args, **kwargs)

        return counted

    def _count(self) -> None:
        self.changes_left -= self.is_counting
        if self.is_counting and self.changes_left == 0:
            self.is_counting = False
            for part in ("store", "output"):
                # SQLite makes the -shm anew from the log, as after any crash.
                shutil.copytree(
                    self.folder / part, self.copy / part, ignore=shutil.ignore_patterns("*-shm")
                )


class InProcessTranslator:
    """What `WarmWorker` is to `Translation`, with an answer at the next step."""

    def __init__(
        self, _module: str, spec: TranslateSpec, scratch: Path, *_: Any, **__: Any
    ) -> None:
        self.ready: Mapping[str, Any] = {"device": "cpu", "environment": {}}
        self.notes: list[Note] = []
        self.scratch = scratch
        self.width = 1
        self._generator = (Path(spec.model) / "generator.keras").read_bytes()
        self._asked: list[tuple[Any, Mapping[str, Any]]] = []
        self._answers: list[Answer] = []

    def submit(self, token: Any, request: Mapping[str, Any]) -> None:
        self._asked.append((token, request))

    def step(self, _now: float) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        for token, request in self._asked:
            image = Path(request["image"]).read_bytes()
            told = []
            for one in request.get("samples") or [request]:
                made = translated(image, self._generator, one["number"])
                Path(one["out"]).write_bytes(made)
                told.append({"sha256": digest_of(made), "ms": {}})
            samples = {"samples": told} if "samples" in request else told[0]
            self._answers.append(Answer(token, {"event": "done", **samples}))
        self._asked.clear()

    def collect(self) -> list[Answer]:
        answers, self._answers = self._answers, []
        return answers

    def stop(self) -> None:
        self._asked.clear()


def translated(image: bytes, generator: bytes, number: int = 1) -> bytes:
    """Return the output image, which follows from the input, the generator and the sample alone."""
    made = b"output " + hashlib.sha256(image + b"\0" + generator).hexdigest().encode()
    return made if number == 1 else made + b" sample %d" % number


def generator_of(listing: bytes, seed: int) -> bytes:
    """Return the bytes of a generator, which follow from its pairs and its seed alone."""
    return b"generator %d of " % seed + digest_of(listing).encode()


def listing_of(head: Mapping[str, str]) -> bytes:
    """Return the listing of pairs that a training on these files has; the first is held out."""
    names = [[name, [[name, head[name]]]] for name in sorted(head)]
    held_out = names[:1] if len(names) > 1 else []
    return canonical_json({"train": names[len(held_out) :], "held_out": held_out}).encode()


class World:
    """A store, its folders, and the service's deeds one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(
            path=folder / "config.yaml",
            store=folder / "store",
            pipelines=tuple(
                PipelineSettings(
                    name=name,
                    training=folder / "training" / name,
                    input=folder / "input" / name,
                    output=folder / "output" / name,
                    train=TrainSettings(promote="always"),
                    keep=KeepSettings(models=KEEP_MODELS),
                )
                for name in PIPELINES
            ),
        )
        for pipeline in self.settings.pipelines:
            for made in (pipeline.training, pipeline.input, pipeline.output):
                made.mkdir(parents=True)
        self.cut = PowerCut(folder)
        self.cut.patch.setattr(translator, "WarmWorker", InProcessTranslator)
        self.cut.patch.setattr(gc, "RECENT_REFS", RECENT_REFS)
        self.now = 0.0
        self.open()

    def open(self) -> None:
        """Start as the service does: lock, recover, finish what was cut off."""
        self.store = open_store(self.settings.store)
        self.store.db.conn.set_trace_callback(self.cut.statement)
        outputs = {p.name: p.output for p in self.settings.pipelines}
        recovery.give_up_runs(self.store, "the service ended")
        recovery.settle_outputs(self.store, outputs)
        recovery.clear_leftovers(self.store, outputs.values())
        self.translations = {
            pipeline.name: Translation(
                self.store,
                self.settings,
                pipeline,
                # Translation asks its folder for nothing but the repo.
                cast("Intake", SimpleNamespace(repo_id=self.repo(pipeline.name, "input"))),
                LocalSpawner(),
            )
            for pipeline in self.settings.pipelines
        }
        self.trainings: dict[str, TrainingRun] = {}
        self.tidy()

    def tidy(self) -> None:
        """Do what the service does after each change of an input folder, and each command."""
        for pipeline in self.settings.pipelines:
            recall.withdraw_leftovers(self.store, pipeline)
            removing.remove(self.store, pipeline.name, pipeline.output)
            self.store.working.requeue_with_free_name(self.repo(pipeline.name, "input"))

    def restart(self) -> None:
        self.store.close()
        self.open()

    def come_back(self) -> None:
        """Put the folders back to where the power was cut, and start again."""
        self.store.close()
        for part in ("store", "output"):
            shutil.rmtree(self.folder / part)
            (self.cut.copy / part).rename(self.folder / part)
        self.cut.copy.rmdir()
        self.open()

    def close(self) -> None:
        self.cut.patch.undo()
        self.store.close()

    # -- what the service and the commands do -------------------------------------------------

    def repo(self, pipeline: str, kind: str) -> int:
        return self.store.history.repo_id(pipeline, kind)

    def watched(self, pipeline: str, kind: str) -> Path:
        return self.folder / kind / pipeline

    def record(self, pipeline: str, kind: str) -> None:
        """Read the whole folder anew and commit, as after a start in which no stamp is trusted."""
        store, repo, root = self.store, self.repo(pipeline, kind), self.watched(pipeline, kind)
        found = scan.scan(root).files
        store.working.mark_settling(repo, found)
        known = store.working.load(repo)
        recorder = Recorder(store, pipeline, kind, known)
        for name, stamp in found.items():
            recorder.read(root, Ready(name, stamp, early=False), is_racy=False)
        recorder.commit({name: "" for name in known if name not in found})
        self.tidy()

    def start_training(self, pipeline: str, seed: int) -> None:
        """Write the rows of a training on the head; its child is this process."""
        store = self.store
        repo = self.repo(pipeline, "training")
        commit = store.history.head(repo)
        assert commit is not None
        head = {name: entry.digest for name, entry in store.working.head(repo).items()}
        listed = store.objects.add(listing_of(head))
        store.objects.flush()
        recipe = store.runs.add_recipe("train", {"seed": seed})
        key = run_key("train", 1, recipe, [listed.digest])
        with store.transaction():
            store.history.add_objects([listed], "application/json")
            run_id = store.runs.queue(
                pipeline,
                "train",
                key,
                change_id=commit.change_id,
                recipe=recipe,
                inputs=[
                    Edge("version", f"training@{commit.seq}", commit.version),
                    Edge("pairs", "pairs", listed.digest),
                ],
                reason="asked for by the test",
            )
        store.runs.move(run_id, (RunState.QUEUED,), RunState.RUNNING)
        scratch = store.scratch / f"train-{run_id}"
        worker = cast("Worker", None)  # only `read` and `leave_as` ask the child
        self.trainings[pipeline] = TrainingRun(store, run_id, key, commit, worker, scratch)

    def finish_training(self, pipeline: str, seed: int) -> None:
        """Hand over a trained model, unless it was recalled meanwhile, as `Training` does."""
        store, run = self.store, self.trainings.pop(pipeline)
        excluded = store.exclusions.of(pipeline)
        if lineage.is_trained_on(store.db.conn, store.folder, run.run_id, excluded):
            store.runs.move(run.run_id, (RunState.RUNNING,), RunState.SUPERSEDED)
            return
        result = Result(outputs=self.left_by_trainer(run, seed, "model"), step=1, steps=1)
        publish_model(store, run, result, self.pipeline(pipeline))

    def give_early(self, pipeline: str, seed: int, step: int, **metrics: Any) -> None:
        """Hand over a model of a training that goes on, of 100 steps."""
        run = self.trainings[pipeline]
        outputs = self.left_by_trainer(run, seed, f"early/{step}/model")
        result = Result(outputs=outputs, step=step, steps=100, metrics=metrics)
        publish_early(self.store, run, result, self.pipeline(pipeline))

    def left_by_trainer(self, run: TrainingRun, seed: int, folder: str) -> list[OutputFile]:
        """Write the files of a model into the trainer's folder, as it does."""
        listing = lineage.listing_of(self.store.db.conn, self.store.folder, run.run_id)
        card = json.dumps(
            {"image_size": 32, "pairs": "side-by-side", "of": digest_of(listing), "seed": seed}
        ).encode()
        made = {"generator": ("generator.keras", generator_of(listing, seed))}
        made["card"] = ("model.json", card)
        (run.scratch / folder).mkdir(parents=True)
        outputs = []
        for role, (name, data) in made.items():
            (run.scratch / folder / name).write_bytes(data)
            outputs.append(
                OutputFile(
                    role=role, path=f"{folder}/{name}", sha256=digest_of(data), size=len(data)
                )
            )
        return outputs

    def translate(self, pipeline: str) -> None:
        """Let the real `Translation` ask, hear and publish."""
        for _ in range(2):
            self.now += 100.0  # past the next look for outputs that somebody deleted
            self.translations[pipeline].step(self.now)

    def perform(self, op: str, **arguments: Any) -> dict[str, Any]:
        result = operations.perform(self.store, self.settings, op, arguments, "tester")
        self.tidy()
        return result

    def restore(self, pipeline: str, kind: str, version: str) -> None:
        """Bring a folder back to a version, as `pixd restore` does."""
        root = self.watched(pipeline, kind)
        reader = connection.open_reader(self.store.folder)
        wanted = restore.files_of(self.store.folder, version)
        plan = restore.plan(reader, self.store.folder, wanted, root, self.repo(pipeline, kind))
        reader.close()
        assert restore.apply(plan, self.store.folder, root, lambda _: None) == []

    def pipeline(self, name: str) -> PipelineSettings:
        return next(p for p in self.settings.pipelines if p.name == name)

    def output_files(self) -> dict[tuple[str, str], str]:
        """Return the digest of each file in the output folders by (pipeline, name)."""
        return {
            (pipeline.name, str(path.relative_to(pipeline.output))): hash_file(path)
            for pipeline in self.settings.pipelines
            for path in pipeline.output.rglob("*")
            if path.is_file()
        }
