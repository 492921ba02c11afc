"""What happens to a trained model: its files are kept, it is recorded, judged, and promoted or not.

Whether a model may replace the live one is decided from its scores alone, with the reason in
numbers. A model that descends from a recalled image may not be live (`excluded_in`).
"""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files, model_scores
from pixd.store.edges import Edge
from pixd.store.queries import lineage, trainings
from pixd.store.queries.retraining import WORSE
from pixd.store.runs import run_key
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system import crash_points, roles
from pixd.system.digests import canonical_json
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.models import Model
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.system.children.spec import OutputFile, Result
    from pixd.training.run import TrainingRun

EXPORT_REVISION = 1
EXPORTED = (roles.GENERATOR, roles.CARD)
"""Roles of the files that are a model."""
MEDIA_TYPES = {roles.CARD: "application/json", roles.SAMPLES: "image/png"}
"""gc keeps JSON files: a card is small, and says what a model was after its weights are removed."""

L1_TOLERANCE = 1.05
"""A new model is refused if its held-out L1 is worse by more than this factor. Two seeds of the same
training on real facades differ by 2.7 %, so a smaller difference says nothing."""
SSIM_TOLERANCE = 0.05
"""It is also refused if its held-out SSIM is lower by more than this; two seeds differ by 0.02. L1
alone does not notice a network that paints every picture alike, which wrong pairs teach."""
MIN_COMMON = 4
"""With at least so many pairs that neither model was trained on, these alone decide."""


class DamagedExportError(PixdError):
    """The files that a trainer left are not the ones that its result names."""


class Decision(NamedTuple):
    """Whether to promote, and why."""

    promote: bool
    why: str


def decide(mode: str, metrics: Mapping[str, Any], *, has_live: bool) -> Decision:
    """Decide whether a new model may be live.

    Args:
        mode: `train.promote` of the config: "if-better", "always" or "manual".
        metrics: of the new model; "live" holds those of the live model on the same pairs.
        has_live: whether a model is live now.
    """
    if mode == "manual":
        return Decision(promote=False, why="promote is set to manual: `pixd promote` makes it live")
    broken = _what_is_broken(metrics)
    if broken:
        return Decision(promote=False, why=broken)
    if mode == "always":
        decision = Decision(promote=True, why="promote is set to always")
    elif not has_live:
        decision = Decision(promote=True, why="the first model" + _score(metrics))
    else:
        decision = _compare(metrics)
    if decision.promote and (doubts := model_scores.doubts(metrics)):
        # A doubtful model is better than none, and may be what a person wants. But it is said.
        return Decision(promote=True, why=f"{decision.why}; doubtful: {doubts}")
    return decision


def decide_again(mode: str, metrics: str, verdict: str) -> Decision:
    """Decide whether a model that was trained before may be live now.

    The old decision holds, except if `train.promote` has become `always` since then.

    Args:
        mode: `train.promote` of the config.
        metrics: JSON, as they were measured then.
        verdict: JSON of the old decision.
    """
    if mode == "always" and not _what_is_broken(json.loads(metrics)):
        return Decision(promote=True, why="promote is set to always")
    before = json.loads(verdict)
    return Decision(promote=bool(before["promote"]), why=str(before["why"]))


def is_offered(decision: Decision) -> bool:
    """Tell whether a refused model may be what a person wants: it works, and scores worse.

    Its settings may have been changed by intent, so that it is better by another measure.
    """
    return not decision.promote and decision.why.startswith(WORSE)


def _what_is_broken(metrics: Mapping[str, Any]) -> str:
    l1 = metrics.get("l1")
    if isinstance(l1, int | float) and not math.isfinite(l1):
        return "its held-out L1 is not a number"
    if metrics.get("collapsed"):
        return "it collapsed: its outputs are nearly the same everywhere"
    if metrics.get("identity_like"):
        return "it gives back its input nearly as it is"
    return ""


def _compare(metrics: Mapping[str, Any]) -> Decision:
    l1, live = metrics.get("l1"), metrics.get("live")
    if not metrics.get("held_out") or l1 is None or not live or live.get("l1") is None:
        return Decision(promote=True, why="too few pairs to hold any out, so it was not compared")
    if model_scores.is_unrelated(metrics) and model_scores.is_unrelated(live) is False:
        told = "its outputs fit the targets of other pairs as well as their own; those of the live"
        return Decision(promote=False, why=f"worse: {told} model fit their own")
    mine, others, which = metrics, live, f"the same {metrics['held_out']} pairs"
    common = metrics.get("common") or {"n": 0}
    if MIN_COMMON <= common["n"] < metrics["held_out"]:
        # The new pairs may be wrong. The new model learned from such pairs, so they cannot judge it.
        mine, others = common, common["live"]
        which = f"the {common['n']} of {metrics['held_out']} pairs that it held out too"
    words = f"held-out L1 {mine['l1']:.2f} against {others['l1']:.2f} of the live model on {which}"
    if mine["l1"] > others["l1"] * L1_TOLERANCE:
        return Decision(promote=False, why=f"{WORSE}{words}")
    ssim, live_ssim = mine.get("ssim"), others.get("ssim")
    if ssim is not None and live_ssim is not None and ssim < live_ssim - SSIM_TOLERANCE:
        told = f"{WORSE}{words}, SSIM {ssim:.3f} against {live_ssim:.3f}"
        return Decision(promote=False, why=told)
    return Decision(promote=True, why=words)


def _score(metrics: Mapping[str, Any]) -> str:
    if metrics.get("l1") is None or not metrics.get("held_out"):
        return ""
    return f", held-out L1 {metrics['l1']:.2f} on {metrics['held_out']} pairs"


# -- a model from its files to its place -------------------------------------------------------------


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
        decision = _decision(store, pipeline, result.metrics, run.made_from)
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
    crash_points.crash_point("after-promotion")
    return model


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
    store: Store, pipeline: PipelineSettings, metrics: Mapping[str, Any], made_from: int | None
) -> Decision:
    """Decide about a new model. A pinned one stays live, however good the new one is.

    So does the live one where another was made anew: `made_from` is the number of that.
    """
    if made_from is not None:
        return Decision(
            promote=False, why=f"model@{made_from} made anew, which is not the live one"
        )
    live = store.models.live(pipeline.name)
    decision = decide(pipeline.train.promote, metrics, has_live=live is not None)
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
    store.runs.move(
        run.run_id,
        ACTIVE_RUNS,
        RunState.SUCCEEDED,
        timings=result.timings,
        environment=environment,
        progress=run.progress or {"step": result.step, "steps": result.steps},
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
        reason="the training succeeded",
        state=RunState.RUNNING,
    )
    store.runs.move(
        export_run,
        (RunState.RUNNING,),
        RunState.SUCCEEDED,
        environment=environment,
        timings={"export_s": result.timings.get("export_s")},
    )
    outputs = [Edge(roles.MODEL, "model", made.manifest.digest), *map(made.edge, EXPORTED)]
    store.runs.add_outputs(export_run, outputs)
    return export_run


# -- a model of recalled images -----------------------------------------------------------------------


def excluded_in(reader: Reader, store: Path, pipeline: str, digest: str) -> str:
    """Return the name of a recalled image that a model descends from, or "".

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        digest: of the model.

    Raises:
        OSError: the listing of a training cannot be read.
    """
    excluded = trainings.excluded(reader, pipeline)
    if not excluded:
        return ""
    for _, train_run, _ in lineage.lineage_of_model(reader, pipeline, digest):
        if found := lineage.is_trained_on(reader, store, train_run, excluded):
            return excluded[found]
    return ""
