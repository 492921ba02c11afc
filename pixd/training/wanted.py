"""What training the folder and the configuration ask for, as the store alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.queries import files, training_set
from pixd.training.dataset import pairs
from pixd.training.dataset.split import Kin, split
from pixd.training.past import past_of
from pixd.training.recipe import train_keys, train_recipe
from pixd.training.snapshot import Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.store.queries.trainings import Live
    from pixd.training.past import Past


def job_of(
    reader: Reader,
    pipeline: PipelineSettings,
    precision: str,
    recorded: Sequence[tuple[str, str]] | None = None,
) -> Job | None:
    """Return the training of the recorded pairs; None where there are none.

    Args:
        reader: the store's database.
        pipeline: its settings.
        precision: the configured one.
        recorded: (name, digest) of the files to take in place of those that are recorded.
    """
    repo = files.repo_id(reader, pipeline.name, "training")
    if recorded is None:
        recorded = files.recorded(reader, repo) if repo is not None else []
    found = pairs.pair_up(pipeline.pairs, recorded).pairs
    if not found:
        return None
    recipe = train_recipe(pipeline, precision)
    sides = split(found, pipeline.train.validation, _kin(reader, pipeline))
    return Job(recipe, train_keys(recipe, sides.key_inputs(pipeline.train.validation)), sides)


def past_of_job(
    reader: Reader, store: Path, pipeline: str, job: Job, as_if: Live | None = None
) -> Past:
    """Return what the store knows of it; see `pixd.training.past.past_of`."""
    return past_of(reader, store, pipeline, job.keys, job.recipe, job.split, as_if)


def _kin(reader: Reader, pipeline: PipelineSettings) -> dict[str, Kin]:
    """Return what the service decided about near-duplicates; nothing for a pair it has not seen."""
    rows = training_set.kin_of(
        reader, pipeline.name, pairs.kept_as(pipeline.pairs, pipeline.value_range)
    )
    return {row.pair: Kin(row.anchor, row.touches, row.since) for row in rows}
