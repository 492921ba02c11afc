"""Takes the early models that a training gives away while it goes on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pixd.store.models import Model
from pixd.system.children.spec import EARLY_FOLDER, SpecError, result_from_json
from pixd.training.publishing import DamagedExportError, publish_early

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pixd.config import PipelineSettings
    from pixd.store.store import Store
    from pixd.training.run import TrainingRun


def take(store: Store, pipeline: PipelineSettings, run: TrainingRun) -> None:
    """Make live what a training sent since the last call, and note what became of it.

    Raises:
        OSError: the store cannot be written. The model is lost; the training goes on to the next.
    """
    while run.early:
        said = run.early.pop(0)
        step = said.get("step")
        told = _told(store, pipeline, run, said)
        if told:
            store.note(pipeline.name, "info", "model", told, run.commit.change_id)
        if isinstance(step, int):
            shutil.rmtree(run.scratch / EARLY_FOLDER / f"{step}", ignore_errors=True)


def _told(
    store: Store, pipeline: PipelineSettings, run: TrainingRun, said: Mapping[str, Any]
) -> str:
    """Publish one, and say what became of it."""
    refused = f"no early model at step {said.get('step')}"
    if said.get("why_not"):
        return f"{refused}: {said['why_not']}"
    try:
        early = result_from_json(said.get("result"))
        if not early.step or not early.steps:
            return f"{refused}: the trainer does not say how far it is"
        found = publish_early(store, run, early, pipeline)
    except (DamagedExportError, SpecError) as error:
        return f"{refused}: {error.message}"
    if found is None:
        return ""
    if not isinstance(found, Model):
        return f"{refused}: {found.why}"
    return f"model@{found.number} is live, early, at step {early.step:,} of {early.steps:,}"
