"""Why a file is in its state, and why a run ran: how its key differs from the run before.

A change in a part of the key is a reason to work again. What is only recorded with a run (library
versions, device) is listed too, but it is not a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixd.config.settings import MOST_SAMPLES
from pixd.folders import ignored, scan
from pixd.folders.companions import COMPANION
from pixd.store import heartbeat, model_scores, recipes
from pixd.store.edges import Edge
from pixd.store.exclusions import EXCLUDED
from pixd.store.heartbeat import HeartbeatError, PipelineBeat
from pixd.store.lock import holder_pid
from pixd.store.output_names import output_names
from pixd.store.queries import files, history, lineage, runs
from pixd.store.states import FileState, OutputState
from pixd.system.children.folder_calls import ask_once
from pixd.system.digests import canonical_json, hash_file
from pixd.system.names import path_in
from pixd.training import snapshot
from pixd.translation import refresh
from pixd.translation.samples import number_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader


def of_file(
    reader: Reader, store: Path, pipeline: PipelineSettings, kind: str, name: str
) -> dict[str, Any]:
    """Explain a file of the training, input or output folder.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: whose folders they are.
        kind: "training", "input" or "output".
        name: name text, relative to the folder.

    Returns:
        file, state, and the lines of the explanation under "why".
    """
    if kind == "output":
        return _of_output(reader, store, pipeline, name)
    row = files.file(reader, pipeline.name, kind, name)
    if row is None:
        state, why = _of_unknown(reader, store, pipeline, kind, name)
        return {"file": f"{kind}/{name}", "state": state, "why": why}
    explain = _of_training if kind == "training" else _of_input
    return {
        "file": f"{kind}/{name}",
        "state": row.state,
        "digest": row.digest,
        "change_id": row.change_id,
        "why": explain(reader, store, pipeline, row),
    }


def of_run(reader: Reader, store: Path, run_id: int) -> dict[str, Any] | None:
    """Explain a run by its difference from the last run before it that did the same job."""
    run = runs.recorded_run(reader, run_id)
    if run is None:
        return None
    why = [f"it ran because {run.reason}"] if run.reason else []
    before_id = _run_before(reader, run)
    if before_id is not None:
        before = runs.recorded_run(reader, before_id)
        assert before is not None  # just found
        changes, recorded = difference(reader, store, before, run)
        why.append(f"against run@{before_id}: {', '.join(changes) or 'the same key'}")
        if recorded:
            why.append(f"recorded, not a reason: {', '.join(recorded)}")
    if run.error:
        why.append(f"it failed: {run.error.get('message', run.error)}")
    if run.kind == "train":
        why += [
            f"{model['name']} is doubtful: {doubts}"
            for model in history.models_of_training(reader, run_id)
            if (doubts := model_scores.doubts(model["metrics"]))
        ]
    return {
        "run": f"run@{run_id}",
        "kind": run.kind,
        "state": run.state,
        "key": run.key,
        "change_id": run.change_id,
        "why": why,
    }


def difference(
    reader: Reader, store: Path, before: runs.RecordedRun, after: runs.RecordedRun
) -> tuple[list[str], list[str]]:
    """Compare two runs of one kind.

    Returns:
        The differences of their keys, and the differences of what was only recorded with them.
    """
    changes = recipes.recipe_difference(canonical_json(before.recipe), after.settings)
    if after.kind == "train":
        changes = (
            snapshot.pairs_difference(
                lineage.listing_of(reader, store, before.id),
                lineage.listing_of(reader, store, after.id),
            )
            + changes
        )
    else:
        for role in ("image", "model"):
            old, new = before.input(role), after.input(role)
            if old and new and old.digest != new.digest:
                changes.insert(
                    0,
                    _why_model(reader, after.pipeline, old, new)
                    if role == "model"
                    else "the image changed",
                )
    was, is_ = before.environment or {}, after.environment or {}
    recorded = [
        f"{name} {was.get(name, 'unset')} -> {is_.get(name, 'unset')}"
        for name in sorted(was.keys() | is_.keys())
        if was.get(name) != is_.get(name)
    ]
    return changes, recorded


def _why_model(reader: Reader, pipeline: str, old: Edge, new: Edge) -> str:
    """Say "model@1 -> model@2 (+3 pairs)", with the reason for the newer model in brackets."""
    words = f"{old.path} -> {new.path}"
    models = (history.model_of_digest(reader, pipeline, edge.digest) for edge in (old, new))
    before, after = models
    if before is None or after is None or before["number"] > after["number"]:
        return words
    run = runs.recorded_run(reader, after["train_run"])
    if before["early_of"] and _is_of_one_training(reader, before, run):
        return f"{words} (the same training, a later step)"
    return f"{words} ({run.reason})" if run and run.reason else words


def _is_of_one_training(
    reader: Reader, model: Mapping[str, Any], run: runs.RecordedRun | None
) -> bool:
    return run is not None and lineage.key_of_run(reader, model["train_run"]) == run.key


def _run_before(reader: Reader, run: runs.RecordedRun) -> int | None:
    if run.kind == "train":
        return history.train_run_before(reader, run.pipeline, run.id)
    image = run.input("image")
    if image is None:
        return None
    rows = files.outputs_of_input(reader, run.pipeline, image.path, limit=20 * MOST_SAMPLES)
    for older in sorted({row.run_id for row in rows if row.run_id < run.id}, reverse=True):
        before = runs.recorded_run(reader, older)
        if before and number_in(before.settings) == number_in(run.settings):
            return older
    return None


def _of_unknown(
    reader: Reader, store: Path, pipeline: PipelineSettings, kind: str, name: str
) -> tuple[str, list[str]]:
    if any(ignored.is_ignored(part) for part in name.split("/")):
        return "ignored", ["its name is of a temporary or hidden kind: rename it to have it taken"]
    change = files.last_change(reader, pipeline.name, kind, name)
    folder = getattr(pipeline, kind)
    if ask_once(store, folder, scan.stamp, folder, name) is not None:
        return "unseen", ["it was not scanned yet: `pixd wait` scans at once and waits for it"]
    if change:
        before = f"{kind}@{change.seq - 1}"
        return "gone", [
            f"it went with {change.name}: {change.reason}",
            f"its bytes are kept: pixd restore {before} --to DIR",
        ]
    return "unknown", ["no such file was ever there"]


def _of_training(
    reader: Reader, store: Path, pipeline: PipelineSettings, row: files.FileRow
) -> list[str]:
    if row.state == FileState.REJECTED:
        return _of_rejected(row)
    if row.state == FileState.SETTLING:
        return _of_settling(pipeline, row)
    reason = _live(store, pipeline.name).train.reason
    assert row.digest is not None  # it is recorded
    found = lineage.models_of(reader, store, pipeline.name, row.digest)
    words = {"train": "learned from it", "held_out": "is scored on it"}
    live = history.model(reader, pipeline.name, None)
    lines = [
        f"model@{m.number} {words.get(m.how, 'learned from it ' + m.how)}"
        + (", and is live" if live and live["number"] == m.number else "")
        for m in found[-3:]
    ]
    return lines or [f"no model has it yet: {reason or 'the training is not due'}"]


def _of_input(
    reader: Reader, store: Path, pipeline: PipelineSettings, row: files.FileRow
) -> list[str]:
    state, reason = row.state, row.reason
    if state == FileState.SETTLING:
        return _of_settling(pipeline, row)
    if state == FileState.REJECTED:
        return _of_rejected(row)
    if state == FileState.FAILED:
        return [f"given up after {row.attempts} attempts: {reason}", "again: pixd retry"]
    if state == FileState.QUEUED:
        return _of_queued(reader, store, pipeline, row)
    lines = [reason] if reason else []
    if pipeline.samples == 1:
        for output in files.outputs_of_input(reader, pipeline.name, row.path, limit=1):
            lines += _of_output(reader, store, pipeline, output.path)["why"]
        return lines
    for name in output_names(row.path, pipeline.samples):
        if files.outputs_at(reader, pipeline.name, name, limit=1):
            first, *rest = _of_output(reader, store, pipeline, name)["why"]
            lines += [f"output/{name}: {first}", *(f"  {line}" for line in rest)]
    return lines


def _of_settling(pipeline: PipelineSettings, row: files.FileRow) -> list[str]:
    if not row.reason:
        return [f"it is waited for until it is still for {pipeline.settle_seconds:g} s"]
    if row.retry_at is None:
        return [row.reason, "each scan of the folder tries again"]
    return [
        f"{row.reason}, after {row.attempts} attempts",
        f"tried again at {row.retry_at[:19].replace('T', ' ')} UTC, at once by: pixd retry",
    ]


def _of_rejected(row: files.FileRow) -> list[str]:
    if row.reason in {EXCLUDED, COMPANION}:
        return [row.reason]
    return [row.reason, "fix it, or after a mistake: pixd retry"]


def _of_queued(
    reader: Reader, store: Path, pipeline: PipelineSettings, row: files.FileRow
) -> list[str]:
    if history.model(reader, pipeline.name, None) is None:
        train = _live(store, pipeline.name).train
        return [f"there is no model yet: {train.reason or 'put pairs into training'}"]
    if row.retry_at:
        return [
            f"{row.attempts} attempts failed, the last with: {row.reason}",
            f"tried again at {row.retry_at[:19].replace('T', ' ')} UTC, at once by: pixd retry",
        ]
    translate = _live(store, pipeline.name).translate
    trouble = translate.blocked or translate.trouble or translate.phase
    return [row.reason or "its turn has not come yet", *([trouble] if trouble else [])]


def _live(store: Path, pipeline: str) -> PipelineBeat:
    """Return what the running service says of a pipeline; nothing where none runs."""
    if holder_pid(store) is None:
        return PipelineBeat()
    try:
        last = heartbeat.read(store)
    except HeartbeatError:  # `pixd status` says so
        last = None
    return last.pipeline(pipeline) if last else PipelineBeat()


def _of_output(
    reader: Reader, store: Path, pipeline: PipelineSettings, name: str
) -> dict[str, Any]:
    rows = files.outputs_at(reader, pipeline.name, name)
    if not rows:
        state, lines = _of_other_output(reader, store, pipeline, name)
        return {"file": f"output/{name}", "state": state, "why": lines}
    row = rows[0]
    model = history.model_of_digest(reader, pipeline.name, row.model_digest)
    by = _named(model) if model else row.model_digest[:19]
    run = runs.recorded_run(reader, row.run_id)
    assert run is not None  # the row refers to it
    settings = run.settings
    which = f" as sample {number_in(settings)}" if settings.get("sample") else ""
    why = [f"made from input/{row.input_path} by {by} in run@{row.run_id}{which}"]
    if (run.finished_at or "") < row.published_at and len(
        files.outputs_of_run(reader, row.run_id)
    ) > 1:
        why.append("the same image was translated before under the same key: published again")
    if len(rows) > 1 and rows[1].run_id != row.run_id:
        before = runs.recorded_run(reader, rows[1].run_id)
        assert before is not None
        changes, recorded = difference(reader, store, before, run)
        why.append(f"again because: {', '.join(changes) or run.reason}")
        if recorded:
            why.append(f"recorded, not a reason: {', '.join(recorded)}")
    elif run.reason:
        why.append(f"because {run.reason}")
    is_gone = files.file(reader, pipeline.name, "input", row.input_path) is None
    is_asked_for = is_gone or name in output_names(row.input_path, pipeline.samples)
    states = {
        OutputState.EDITED: (
            "it was edited by hand and is left: delete it to get the live model's, or have that put"
            f" beside it: pixd retry output/{name}"
        ),
        OutputState.ORPHANED: (
            "its input is gone; keep.orphans says whether such outputs stay"
            if is_asked_for
            else f"{_unasked(pipeline)}; keep.orphans says whether such outputs stay"
        ),
        OutputState.MISSING: (
            f"its file was deleted{' and is made again' if is_asked_for and not is_gone else ''}"
        ),
        OutputState.WITHDRAWN: (
            _why_withdrawn(reader, row)
            if is_asked_for or pipeline.keep.orphans
            else f"{_unasked(pipeline)}, and `keep.orphans` is false"
        ),
        OutputState.SUPERSEDED: "another took its place",
    }
    if row.state in states:
        why.append(states[row.state])
    live = history.model(reader, pipeline.name, None)
    is_current = row.state is OutputState.CURRENT
    if live and live["early_of"] and is_current and live["digest"] != row.model_digest:
        why.append(f"{_named(live)} is live: {refresh.TOLD}")
    return {
        "file": f"output/{name}",
        "state": row.state,
        "digest": row.digest,
        "run": row.run_id,
        "change_id": row.change_id,
        "why": why,
    }


def _of_other_output(
    reader: Reader, store: Path, pipeline: PipelineSettings, name: str
) -> tuple[str, list[str]]:
    """Return the state and the explanation of a name in the output folder that no output ever had."""
    path = path_in(pipeline.output, name)
    if not ask_once(store, pipeline.output, path.is_file):
        return "unknown", ["no such file was ever there"]
    made = history.runs_that_made(reader, ask_once(store, pipeline.output, hash_file, path))
    run = runs.recorded_run(reader, made[0]) if made else None
    if run is None:
        return "unknown", ["pixd did not make it, or somebody changed it since"]
    image = next(edge for edge in run.inputs if edge.role == "image")
    return "copy", [
        f"its content was made from input/{image.path} in run@{run.id}; `pixd trace` says by what",
        "it was put beside an output that was edited (`pixd retry`), or somebody copied or renamed it",
    ]


def _named(model: Mapping[str, Any]) -> str:
    if not model["early_of"]:
        return str(model["name"])
    return f"{model['name']} (early, step {model['steps']:,} of {model['early_of']:,})"


def _unasked(pipeline: PipelineSettings) -> str:
    """Say why an output has a name that its input does not ask for."""
    return f"its input has outputs of other names now, with samples: {pipeline.samples}"


def _why_withdrawn(reader: Reader, row: files.OutputRow) -> str:
    is_gone = files.file(reader, row.pipeline, "input", row.input_path) is None
    if is_gone and row.input_digest not in files.recalled_in(reader, row.pipeline):
        return "its input is gone, and the output with it: `keep.orphans` is false"
    return "what made it was recalled"
