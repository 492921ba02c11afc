"""Follows a training to its end: what it says, what it made, and what became of that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pixd.folders.one_file import is_of_one_file
from pixd.store.queries import lineage
from pixd.store.states import ACTIVE_RUNS, RunState
from pixd.system.backoff import FIRST_RETRY_S
from pixd.training import failing, warm_start
from pixd.training.due import refused
from pixd.training.promotion import Decision
from pixd.training.publishing import DamagedExportError, publish_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings
    from pixd.store.events import Level
    from pixd.store.store import Store
    from pixd.system.children.spec import Result
    from pixd.training.run import Ended, TrainingRun


def read(store: Store, pipeline: str, run: TrainingRun, now: float) -> None:
    """Take in what the child has said, and write its troubles down. `now`: monotonic seconds."""
    trouble_before = run.preview_trouble
    run.read(now)
    for note in run.notes:
        store.note(pipeline, "warning", "train", note)
    run.notes.clear()
    if run.preview_trouble and not trouble_before:
        store.note(pipeline, "warning", "preview", run.preview_trouble)


def uses_recalled(store: Store, pipeline: str, run: TrainingRun) -> bool:
    """Tell whether a training learns from an image that was recalled."""
    reader = store.db.conn
    excluded = store.exclusions.of(pipeline)
    return bool(excluded and lineage.is_trained_on(reader, store.folder, run.run_id, excluded))


def publish(
    store: Store, pipeline: PipelineSettings, run: TrainingRun, result: Result
) -> str | Mapping[str, str]:
    """Publish the model of a training.

    Args:
        store: the open store.
        pipeline: its settings.
        run: the training; its child has ended.
        result: what the child left.

    Returns:
        What became of the model, for people. Or, where the result is at fault, kind, message and
        advice: the run failed and nothing else.

    Raises:
        OSError: the store cannot be written.
    """
    try:
        return _publish(store, pipeline, run, result)
    except DamagedExportError as error:
        told = {"kind": "export", "message": error.message}
    except Exception as error:
        if not is_of_one_file(error):
            raise
        message = f"its result makes no sense: {type(error).__name__}: {error}"
        told = {"kind": "result", "message": message}
    return {**told, "advice": "it is trained on from its last checkpoint"}


class Closed(NamedTuple):
    """What became of a training that has ended.

    Attributes:
        state: of its run.
        said: what became of its model, for people; "" where there is none.
        refused: what a disk refused to its child, or "".
        retry_at: when another attempt may begin, monotonic seconds; 0 leaves that as it is.
    """

    state: RunState
    said: str = ""
    refused: str = ""
    retry_at: float = 0.0


def close(
    store: Store, pipeline: PipelineSettings, run: TrainingRun, ended: Ended, now: float
) -> Closed:
    """Publish the model of a training that has ended, or write down why there is none.

    Args:
        store: the open store.
        pipeline: its settings.
        run: the training.
        ended: how its child ended.
        now: monotonic seconds.

    Raises:
        OSError: the store cannot be written.
    """
    error, timings = ended.error, ended.timings
    if ended.result:
        told = publish(store, pipeline, run, ended.result)
        if isinstance(told, str):
            return Closed(ended.state, said=told)
        error, timings = told, ended.result.timings
    if error and error["kind"] == "disk":
        # The training did not fail: it goes on from its checkpoint when the disk can be written.
        reason = str(error["message"])
        store.runs.move(run.run_id, ACTIVE_RUNS, RunState.CANCELLED, reason=reason, timings=timings)
        return Closed(RunState.FAILED, refused=reason)
    if error:
        retry_at = failing.note(store, pipeline.name, run, error, now, timings=timings)
        return Closed(RunState.FAILED, retry_at=retry_at)
    note_unfinished(store, pipeline.name, run, ended)
    # Where somebody else ended it, that may also end the next one.
    return Closed(ended.state, retry_at=0.0 if run.is_leaving else now + FIRST_RETRY_S)


def note_unfinished(store: Store, pipeline: str, run: TrainingRun, ended: Ended) -> None:
    """Write down that a training ended before its last step, and why."""
    store.runs.move(
        run.run_id,
        ACTIVE_RUNS,
        ended.state,
        reason=ended.reason,
        progress=run.progress,
        timings=ended.timings,
    )
    told = f"training {ended.state}: {ended.reason}"
    store.note(pipeline, "info", "train", told, run.commit.change_id)


def _publish(store: Store, pipeline: PipelineSettings, run: TrainingRun, result: Result) -> str:
    model = publish_model(store, run, result, pipeline)
    is_variant = run.trying is not None
    warm_start.drop_what_none_begins_from(store, pipeline.name, run.run_id, is_variant=is_variant)
    decision = json.loads(model.verdict)
    level: Level = "info" if decision["promote"] or run.trying else "warning"
    said = f"model@{model.number} is live: {decision['why']}"
    if run.trying:
        said = f"model@{model.number} is there: {decision['why']}"
    elif not decision["promote"]:
        said = refused(model.number, Decision(**decision))
    if result.stopped:
        said += f"; {result.stopped}"
    store.note(pipeline.name, level, "model", said, run.commit.change_id)
    return said
