"""What the store knows of the wanted training: whether it was done before, and how it ended.

A training is known by its key, and by the keys that the same training had in earlier revisions of
the code (`pixd.training.recipe`). So an upgrade does not make models unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.store.queries import lineage, trainings
from pixd.training import promotion
from pixd.training.dataset import sides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from pixd.store.connection import Reader
    from pixd.store.queries.trainings import Live, Trained
    from pixd.store.revisions import Key
    from pixd.training.dataset.split import Split

SORTS_NEAR_DUPLICATES: Final = "pixd 0.1 keeps near-duplicates on one side of the held-out split"
"""Why a folder whose pairs are the same has them on other sides: an older pixd did not look."""


class Past(NamedTuple):
    """What was done before.

    Attributes:
        live: the live model.
        made: the model of the newest training that succeeded with the wanted key, or with the key
            that the same training had in an earlier revision.
        is_usable: whether `made` can be made live: its weights are present, and none of its images was
            recalled. It is not looked up if `made` is live already, or if the live model is pinned.
        failures: reasons of the failed attempts at the key of this revision, oldest first.
        otherwise: how this pixd would make another model than `made` from the same pairs and
            settings, in a sentence; "" where it would make the same.
    """

    live: Live | None
    made: Trained | None
    is_usable: bool = False
    failures: tuple[str, ...] = ()
    otherwise: str = ""


def past_of(
    reader: Reader,
    store: Path,
    pipeline: str,
    keys: Sequence[Key],
    recipe: Mapping[str, Any],
    split: Split,
    as_if: Live | None = None,
) -> Past:
    """Look up what the store knows of a training.

    Args:
        reader: the store's database.
        store: the store's folder.
        pipeline: its name.
        keys: of the training that is wanted, as `pixd.training.recipe.train_keys` returns them.
        recipe: its settings.
        split: its pairs, by side.
        as_if: what would be the live model; without it, what is.

    Raises:
        OSError: the listing of a training cannot be read.
    """
    live = as_if or trainings.live(reader, pipeline)
    made, otherwise = _made(reader, pipeline, keys, live)
    if (
        made is None
        and live
        and not live.is_early
        and _differs_by_sides(reader, store, live, recipe, split)
    ):
        made = trainings.model_of_run(reader, live.train_run)
        by_code = sides.otherwise(reader, store, live.train_run, recipe)
        otherwise = ", and ".join(filter(None, (SORTS_NEAR_DUPLICATES, by_code)))
    failures = failures_of(reader, pipeline, keys[0].key)
    if made:
        if live and (live.is_of(made.train_run) or live.is_pinned):
            return Past(live, made, failures=failures, otherwise=otherwise)
        if made.has_weights and not promotion.excluded_in(reader, store, pipeline, made.digest):
            return Past(live, made, is_usable=True, failures=failures, otherwise=otherwise)
    return Past(live, made, failures=failures, otherwise=otherwise)


def failures_of(reader: Reader, pipeline: str, key: str) -> tuple[str, ...]:
    """Return the reasons of the failed attempts at a key, oldest first."""
    return tuple(one.reason for one in trainings.failures_of_key(reader, pipeline, key))


def _made(
    reader: Reader, pipeline: str, keys: Sequence[Key], live: Live | None
) -> tuple[Trained | None, str]:
    """Return the model of the newest revision, and how this pixd makes it otherwise.

    Among those that differ by arithmetic alone it is the live one, if it is one of them.
    """
    live_key = lineage.key_of_run(reader, live.train_run) if live else ""
    for otherwise in dict.fromkeys(one.otherwise for one in keys):
        same = [one.key for one in keys if one.otherwise == otherwise]
        if live and not live.is_early and live_key in same:
            made = trainings.newest_of_key(reader, pipeline, live_key)
            if made and made.train_run != live.train_run:
                # A training of the same key came later: asked for, or after a recall.
                return made, otherwise
            return trainings.model_of_run(reader, live.train_run), otherwise
        for key in same:
            if made := trainings.newest_of_key(reader, pipeline, key):
                return made, otherwise
    return None, ""


def _differs_by_sides(
    reader: Reader, store: Path, live: Live, recipe: Mapping[str, Any], split: Split
) -> bool:
    """Tell whether the live model had these settings and the pairs of this folder, sorted otherwise.

    A pair's side never changes while one version of pixd looks at a folder.
    """
    if lineage.recipe_of(reader, live.train_run) != recipe:
        return False
    here = {pair.digest for pair in (*split.used, *split.left_out)}
    before = sides.Sides.known(reader, store, live.train_run)
    return before is not None and before.all == here
