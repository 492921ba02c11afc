"""`pixd retrain`: a model is made anew, from scratch, because this pixd makes it otherwise.

Nothing begins by itself after an upgrade. Here a person asks. The wish is recorded; the service's
next steps train, and the outputs follow if the new model goes live.
"""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING, Any

from pixd.store.queries import lineage, retraining, trainings
from pixd.store.queries.retraining import Asked
from pixd.store.states import FileState, OutputState
from pixd.system.errors import PixdError
from pixd.training import retraining as training
from pixd.training import wanted
from pixd.training.dataset import sides
from pixd.training.warm_start import checkpoints_folder
from pixd.translation import due
from pixd.translation.samples import samples_of

if TYPE_CHECKING:
    from pixd.config import PipelineSettings, Settings
    from pixd.store.models import Model
    from pixd.store.store import Store


def ask(
    store: Store,
    settings: Settings,
    pipeline: PipelineSettings,
    model: Model,
    who: str,
    *,
    force: bool,
) -> dict[str, Any]:
    """Record that a model is to be made anew.

    Args:
        store: the open store.
        settings: the configuration.
        pipeline: whose model it is.
        model: the one to make anew.
        who: the user that asks.
        force: whether to do it though this pixd would make the same.

    Returns:
        asked, model, why, and the change under which it is waited for.

    Raises:
        PixdError: it cannot be made anew: an image was recalled, or bytes were removed.
    """
    name, reader = pipeline.name, store.db.conn
    if model.early_of:
        raise PixdError(
            f"model@{model.number} is an early one: its training was at step {model.steps:,}"
            f" of {model.early_of:,}",
            advice="`pixd status` says whether that goes on; `pixd retrain model@N` names another",
        )
    excluded = trainings.excluded(reader, name)
    if recalled := lineage.is_trained_on(reader, store.folder, model.train_run, excluded):
        raise PixdError(
            f"model@{model.number} was trained on {excluded[recalled]}, which was recalled",
            advice="`pixd recall --undo` lets the image in again",
        )
    made = retraining.model_numbered(reader, name, model.number)
    assert made is not None  # the model is there
    job = wanted.job_of(reader, pipeline, settings.precision)
    past = wanted.past_of_job(reader, store.folder, name, job) if job else None
    if past and past.made and past.made.number == model.number:
        why = past.otherwise
    else:
        why = sides.otherwise(reader, store.folder, made.train_run, made.recipe)
    told: dict[str, Any] = {"pipeline": name, "model": f"model@{model.number}", "why": why}
    if not why and not force:
        return {**told, "asked": False, "change": None}
    asked = Asked(model.number, who, why, secrets.token_hex(5))
    found = training.job_of(reader, store.folder, name, asked, job, past)
    if isinstance(found, str):
        raise PixdError(found, advice="`pixd gc --undo` brings bytes back from the trash")
    key = found.keys[0].key
    with store.transaction():
        store.runs.forgive(name)
        store.retraining.ask(name, asked)
        said = f"model@{model.number} is made anew, asked for by {who}"
        store.note(name, "info", "retrain", f"{said}: {why}" if why else said, asked.change_id)
    if lineage.has_succeeded(reader, key) and not any(
        r.key == key for r in store.runs.active(name)
    ):
        # Its last state is the end of that training, so that nothing would be left to do.
        shutil.rmtree(checkpoints_folder(store.folder, key, ""), ignore_errors=True)
    return {**told, "asked": True, "change": asked.change_id}


def translate_again(
    store: Store, settings: Settings, pipeline: PipelineSettings, who: str
) -> dict[str, Any]:
    """Queue the inputs whose outputs an earlier pixd made otherwise.

    Raises:
        PixdError: no model is live.
    """
    name = pipeline.name
    live = store.models.live(name)
    if live is None:
        raise PixdError(f"{name} has no live model", advice="`pixd models` lists them")
    trained = lineage.recipe_of(store.db.conn, live.train_run)
    wanted_now = samples_of(pipeline, due.recipe_under(pipeline, settings.precision, trained))
    change_id = secrets.token_hex(5)
    repo = store.history.repo_id(name, "input")
    names: list[str] = []
    for output in store.outputs.made_by(name, live.digest):
        if output.state is OutputState.ORPHANED:  # nothing asks for it any more
            continue
        key = store.runs.get(output.run_id).key
        same = (
            due.keys_of_same(one.recipe, output.input_digest, live.digest) for one in wanted_now
        )
        if not any(key in keys for keys in same):
            names.append(output.input_path)
    with store.transaction():
        store.working.set_state(repo, names, FileState.QUEUED, "", if_in=(FileState.TRANSLATED,))
        if names:
            told = f"{len(names)} outputs are made anew, asked for by {who}"
            store.note(name, "info", "retrain", told, change_id)
    return {"pipeline": name, "outputs": len(names), "change": change_id if names else None}
