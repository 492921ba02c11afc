"""A trained model on its way into the store: its files are kept, it is recorded, and promoted or not.

A training publishes one model at its end, and may publish early ones while it goes on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files
from pixd.store.edges import Edge
from pixd.store.queries.sweeps import VARIANT
from pixd.store.runs import run_key
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system import crash_points, roles
from pixd.system.digests import canonical_json
from pixd.system.errors import PixdError
from pixd.training.promotion import Decision, decide, decide_early

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.models import Model
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.system.children.spec import Result
    from pixd.system.children.spec_parts import OutputFile
    from pixd.training.run import TrainingRun

EXPORT_REVISION = 1
EXPORTED = (roles.GENERATOR, roles.CARD)
"""Roles of the files that are a model."""
MEDIA_TYPES = {roles.CARD: "application/json", roles.SAMPLES: "image/png"}
"""gc keeps JSON files: a card is small, and says what a model was after its weights are removed."""


class DamagedExportError(PixdError):
    """The files that a trainer left are not the ones that its result names."""


def publish_model(
    store: Store, run: TrainingRun, result: Result, pipeline: PipelineSettings
) -> Model:
    """Keep what a training made, write its model, and make it live if it may be.

    Bytes come first. Then one transaction says "succeeded", names the model and makes it live, so
    that no state in between can be seen.

    Args:
        store: the open store.
        run: the training; its child has ended.
        result: the child's result manifest.
        pipeline: its settings.

    Raises:
        DamagedExportError: what the trainer left is not what its result says; nothing is written.
        OSError: the store cannot be written.
    """
    crash_points.crash_point("result-received")
    assert result.step is not None  # every training says how far it came
    made = _keep_files(store, run.scratch, result.outputs)
    crash_points.crash_point("model-kept")
    model_files.lay_out(store, made.manifest.digest, made.export)
    with store.transaction():
        decision = _decision(store, pipeline, result.metrics, run)
        environment = store.runs.add_environment(result.environment)
        _record_objects(store, made)
        _end_training(store, run, result, environment, made)
        export_run = _record_export(store, run, result, environment, made)
        crash_points.crash_point("before-promotion")
        model = store.models.add(
            pipeline.name,
            made.manifest.digest,
            train_run=run.run_id,
            export_run=export_run,
            version=run.commit.version,
            commit_seq=run.commit.seq,
            steps=result.step,
            metrics=result.metrics,
            verdict=canonical_json(decision._asdict()),
        )
        if decision.promote:
            change_id = run.commit.change_id
            store.models.promote(model, who="service", why=decision.why, change_id=change_id)
        if run.is_asked_for:
            store.retraining.forget(pipeline.name)
        if run.trying:
            store.sweeps.made(run.trying.sweep, run.trying.number, model.number)
    crash_points.crash_point("after-promotion")
    return model


def publish_early(
    store: Store, run: TrainingRun, early: Result, pipeline: PipelineSettings
) -> Model | Decision | None:
    """Keep an early model, write it and make it live, in this order, as `publish_model` does.

    Args:
        store: the open store.
        run: the training, which goes on.
        early: what its child said of the model.
        pipeline: its settings.

    Returns:
        The model; why it is not wanted, in which case nothing of it is kept; or None where a crash
        made the training give it again.

    Raises:
        DamagedExportError: what the trainer left is not what it says; nothing is written.
        OSError: the store cannot be written.
    """
    assert early.step is not None and early.steps is not None  # noqa: PT018 - checked when read
    if store.models.early(pipeline.name, run.key, early.step):
        return None
    decision = _early_decision(store, pipeline, early, run.key)
    if not decision.promote:
        return decision
    made = _keep_files(store, run.scratch, early.outputs)
    crash_points.crash_point("early-kept")
    model_files.lay_out(store, made.manifest.digest, made.export)
    with store.transaction():
        environment = store.runs.add_environment(early.environment)
        _record_objects(store, made)
        model = store.models.add(
            pipeline.name,
            made.manifest.digest,
            train_run=run.run_id,
            export_run=_record_export(store, run, early, environment, made),
            version=run.commit.version,
            commit_seq=run.commit.seq,
            steps=early.step,
            metrics=early.metrics,
            verdict=canonical_json(decision._asdict()),
            early_of=early.steps,
        )
        change_id = run.commit.change_id
        store.models.promote(model, who="service", why=decision.why, change_id=change_id)
    return model


def _early_decision(store: Store, pipeline: PipelineSettings, early: Result, key: str) -> Decision:
    """Decide about an early model, which the trainer found worth showing."""
    live = store.models.live(pipeline.name)
    if live and store.models.is_pinned(pipeline.name):
        return Decision(promote=False, why=f"model@{live.number} is pinned")
    beside = store.models.beside(pipeline.name, key)
    decision = decide_early(early.metrics, has_live=beside is not None)
    told = f"early, step {early.step:,} of {early.steps:,}: {decision.why}"
    return decision._replace(why=told) if decision.promote else decision


class _Made(NamedTuple):
    """The files of a training, as the store keeps them.

    Attributes:
        files: of each role, the path that the trainer gave it, and the object.
        export: the files of the model by name.
        manifest: the object that names these, whose digest names the model.
    """

    files: Mapping[str, tuple[str, StoredObject]]
    export: Mapping[str, manifests.Entry]
    manifest: StoredObject

    def edge(self, role: str) -> Edge:
        """Return the edge from a run to a file that it made."""
        path, kept = self.files[role]
        return Edge(role, path, kept.digest)


def _keep_files(store: Store, scratch: Path, outputs: Iterable[OutputFile]) -> _Made:
    """Move a trainer's files into the store and flush them.

    Raises:
        DamagedExportError: a file is missing, or is not the one that was named.
    """
    files: dict[str, tuple[str, StoredObject]] = {}
    for output in outputs:
        try:
            kept = store.objects.adopt(scratch / output["path"])
        except FileNotFoundError as error:
            raise DamagedExportError(f"the export is missing: {output['path']}") from error
        if kept.digest != output["sha256"]:
            raise DamagedExportError(f"the export is damaged: {output['path']}")
        files[output["role"]] = (output["path"], kept)
    if not files.keys() >= set(EXPORTED):
        raise DamagedExportError("the export is not whole: it has no generator or no card")
    export = {
        os.path.basename(path): manifests.Entry(kept.digest, kept.size_bytes)  # noqa: PTH119
        for path, kept in (files[role] for role in EXPORTED)
    }
    manifest = store.objects.add(manifests.render(export))
    store.objects.flush()
    return _Made(files, export, manifest)


def _decision(
    store: Store,
    pipeline: PipelineSettings,
    metrics: Mapping[str, Any],
    run: TrainingRun,
) -> Decision:
    """Decide about a new model. A pinned one stays live, however good the new one is.

    So does the live one where another was made anew, and where the new one is a variant. The early
    models of its training do not count: they never decide about it.
    """
    if run.trying:
        return Decision(promote=False, why=f"{VARIANT}{run.trying.settings}")
    if run.made_from is not None:
        return Decision(
            promote=False, why=f"model@{run.made_from} made anew, which is not the live one"
        )
    live = store.models.live(pipeline.name)
    beside = store.models.beside(pipeline.name, run.key)
    decision = decide(pipeline.train.promote, metrics, has_live=beside is not None)
    if decision.promote and live and store.models.is_pinned(pipeline.name):
        return Decision(promote=False, why=f"model@{live.number} is pinned")
    return decision


def _record_objects(store: Store, made: _Made) -> None:
    for role, (_, kept) in made.files.items():
        media_type = MEDIA_TYPES.get(role, "application/octet-stream")
        store.history.add_objects([kept], media_type)
    store.history.add_objects([made.manifest], "text/x-pixd-manifest")


def _end_training(
    store: Store, run: TrainingRun, result: Result, environment: str, made: _Made
) -> None:
    """Write that the training succeeded, with its curve and what it made."""
    progress = run.progress or {"step": result.step, "steps": result.steps}
    if result.stopped:
        progress = {**progress, "step": result.ended_at, "stopped": result.stopped}
    store.runs.move(
        run.run_id,
        ACTIVE_RUNS,
        RunState.SUCCEEDED,
        timings=result.timings,
        environment=environment,
        progress=progress,
    )
    store.runs.add_curve(run.run_id, result.curve)
    store.runs.add_outputs(run.run_id, [made.edge(role) for role in made.files])


def _record_export(
    store: Store, run: TrainingRun, result: Result, environment: str, made: _Made
) -> int:
    """Write the run that made the model of the trained weights; returns its id."""
    recipe = store.runs.add_recipe("export", {})
    export_run = store.runs.queue(
        store.runs.get(run.run_id).pipeline,
        "export",
        run_key("export", EXPORT_REVISION, recipe, [run.key, made.manifest.digest]),
        change_id=run.commit.change_id,
        recipe=recipe,
        inputs=[Edge(roles.TRAINED, f"run@{run.run_id}", made.edge(roles.GENERATOR).digest)],
        reason=f"at step {result.step} of {result.steps} of its training",
        state=RunState.RUNNING,
    )
    store.runs.move(
        export_run,
        (RunState.RUNNING,),
        RunState.SUCCEEDED,
        environment=environment,
        timings={name: result.timings.get(name) for name in ("score_s", "export_s")},
    )
    outputs = [Edge(roles.MODEL, "model", made.manifest.digest), *map(made.edge, EXPORTED)]
    store.runs.add_outputs(export_run, outputs)
    return export_run
