"""What the store knows of the wanted training: whether it was done before, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store.queries import trainings
from pixd.training import promotion

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.store.connection import Reader
    from pixd.store.queries.trainings import Live, Trained


class Past(NamedTuple):
    """What was done before.

    Attributes:
        live: the live model.
        made: the model of the newest training that succeeded with the wanted key.
        is_usable: whether `made` can be made live: its weights are present, and none of its images was
            recalled. It is not looked up if `made` is live already, or if the live model is pinned.
        failures: reasons of the failed attempts, oldest first. They are looked up only if no model
            can be used.
    """

    live: Live | None
    made: Trained | None
    is_usable: bool = False
    failures: tuple[str, ...] = ()


def past_of(reader: Reader, store: Path, pipeline: str, key: str) -> Past:
    """Look up what the store knows of a key.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        key: of the training that is wanted.

    Raises:
        OSError: the listing of a training cannot be read.
    """
    live = trainings.live(reader, pipeline)
    made = trainings.newest_of_key(reader, pipeline, key)
    if made:
        if live and (live.train_run == made.train_run or live.is_pinned):
            return Past(live, made)
        if made.has_weights and not promotion.excluded_in(reader, store, pipeline, made.digest):
            return Past(live, made, is_usable=True)
    failures = trainings.failures_of_key(reader, pipeline, key)
    return Past(live, made, failures=tuple(failure.reason for failure in failures))
