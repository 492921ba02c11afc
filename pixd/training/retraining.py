"""Which training `pixd retrain` asks for: the live model's anew, or that of a model before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries import lineage, retraining, trainings
from pixd.system import disk
from pixd.training.dataset import sides
from pixd.training.due import MAX_FAILURES, given_up
from pixd.training.past import failures_of
from pixd.training.recipe import train_keys
from pixd.training.snapshot import Job, Next

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixd.store.connection import Reader
    from pixd.store.queries.retraining import Asked
    from pixd.store.store import Store
    from pixd.training.past import Past


def next_of(
    store: Store, pipeline: str, wanted: Job | None, past_of: Callable[[], Past] | None
) -> Next | None:
    """Return the training that `pixd retrain` asked for, or None; what cannot be made is recorded.

    Args:
        store: the open store.
        pipeline: its name.
        wanted: the training that the folder and the configuration ask for.
        past_of: tells what is known of that one.

    Raises:
        OSError: the store cannot be read or written.
    """
    asked = store.retraining.of(pipeline)
    if asked is None:
        return None
    reader = store.db.conn
    job = job_of(reader, store.folder, pipeline, asked, wanted, past_of() if past_of else None)
    if isinstance(job, str):
        store.retraining.forget(pipeline)
        store.note(pipeline, "warning", "retrain", job, asked.change_id)
        return None
    failures = failures_of(reader, pipeline, job.keys[0].key)
    if len(failures) >= MAX_FAILURES:
        store.retraining.forget(pipeline)
        why = f"model@{asked.model} is not made anew: {given_up(failures).why}"
        store.note(pipeline, "error", "retrain", why, asked.change_id)
        return None
    return Next(job, failures)


def job_of(
    reader: Reader, store: Path, pipeline: str, asked: Asked, wanted: Job | None, past: Past | None
) -> Job | str:
    """Return the training that makes a model anew, or why it cannot be made.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        asked: what a person asked for.
        wanted: the training that the folder and the configuration ask for.
        past: what is known of that one.

    Raises:
        OSError: the disk refuses the listing of the model's training.
    """
    reason = f"asked for by pixd retrain ({asked.who}): model@{asked.model} anew, from scratch"
    if asked.why:
        reason += f", because {asked.why}"
    made, live = past.made if past else None, past.live if past else None
    if wanted and made and live and made.number == live.number == asked.model:
        return wanted._replace(asked=reason)  # with the sides that the folder's pairs have now
    model = retraining.model_numbered(reader, pipeline, asked.model)
    if model is None:
        return f"there is no model@{asked.model} to make anew"
    excluded = trainings.excluded(reader, pipeline)
    try:
        found = lineage.is_trained_on(reader, store, model.train_run, excluded)
        split = sides.split_of(reader, store, model.train_run)
    except (OSError, ValueError) as error:
        if disk.refusal(error):
            raise
        return f"model@{asked.model} cannot be made anew: the list of its pairs cannot be read"
    if found:
        return f"model@{asked.model} is not made anew: {excluded[found]} was recalled"
    for pair in split.used:
        for name, digest in pair.files:
            if not lineage.object_path(store, digest).exists():
                return f"model@{asked.model} cannot be made anew: the bytes of {name} were removed"
    keys = train_keys(model.recipe, split.key_inputs(model.recipe["validation"]))
    is_live = bool(live and live.number == asked.model)
    return Job(
        model.recipe,
        keys,
        split,
        asked=reason,
        commit_seq=model.commit_seq,
        model=None if is_live else asked.model,
    )


def note_revision_of_live(store: Store, pipeline: str) -> None:
    """Record which revision made the live model, if an older pixd did not.

    To find it out from the key takes half a second of 20,000 pairs, and `pixd status` asks often.
    Nothing is recorded where its listing cannot be read; `pixd verify` names what is damaged.
    """
    reader, live = store.db.conn, store.models.live(pipeline)
    if live is None or retraining.revision_of(reader, live.train_run) is not None:
        return
    recipe = lineage.recipe_of(reader, live.train_run)
    try:
        revision = sides.revision_of(reader, store.folder, live.train_run, recipe)
    except (OSError, ValueError):
        return
    store.retraining.note_revision(live.train_run, revision or 0)
