"""The pairs of a training that is recorded, by side, and by which key it is known."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import revisions
from pixd.store.queries import lineage, retraining
from pixd.system import disk
from pixd.training.dataset import pairs
from pixd.training.dataset.split import Split, key_inputs
from pixd.training.recipe import REVISIONS, train_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.store.connection import Reader
    from pixd.store.revisions import Key


class Sides(NamedTuple):
    """The digests of the pairs of a training."""

    train: frozenset[str]
    held_out: frozenset[str]

    @classmethod
    def of(cls, reader: Reader, store: Path, train_run: int) -> Sides:
        """Read them from a run's listing.

        Raises:
            OSError: it cannot be read.
        """
        recorded = split_of(reader, store, train_run)
        return cls.of_split(recorded)

    @classmethod
    def known(cls, reader: Reader, store: Path, train_run: int) -> Sides | None:
        """Read them as `of` does; None where the listing is gone or damaged.

        Raises:
            OSError: its disk refuses.
        """
        try:
            return cls.of(reader, store, train_run)
        except (OSError, ValueError) as error:
            if disk.refusal(error):
                raise
            return None

    @classmethod
    def of_split(cls, split: Split) -> Sides:
        """Return those of a folder's split."""
        return cls(*(frozenset(pair.digest for pair in side) for side in split[:2]))

    @property
    def all(self) -> frozenset[str]:
        """Both sides."""
        return self.train | self.held_out

    def keys(self, recipe: Mapping[str, Any], share: float) -> list[Key]:
        """Return the keys of a training of these pairs; see `pixd.training.recipe.train_keys`."""
        return train_keys(recipe, key_inputs(self.train, self.held_out, share))

    def is_of(
        self, reader: Reader, train_run: int, recipe: Mapping[str, Any], share: float
    ) -> bool:
        """Tell whether a run of these pairs had these settings, whichever revision made it."""
        key = lineage.key_of_run(reader, train_run)
        return any(one.key == key for one in self.keys(recipe, share))


def split_of(reader: Reader, store: Path, train_run: int) -> Split:
    """Return the pairs of a training by side, as its listing has them.

    Raises:
        OSError: the listing cannot be read.
    """
    digest = lineage.listing_digest(reader, train_run)
    return split_of_listing(store, digest) if digest else Split((), ())


@functools.lru_cache(maxsize=4)
def split_of_listing(store: Path, digest: str) -> Split:
    """Read a listing. It has thousands of pairs, and one digest is always the same listing.

    Raises:
        OSError: it cannot be read.
    """
    listing = json.loads(lineage.object_path(store, digest).read_bytes())
    return Split(
        *(
            tuple(
                pairs.Pair(
                    name,
                    tuple((path, content) for path, content in files),
                    pairs.digest_of_files([content for _, content in files]),
                )
                for name, files in listing.get(side, [])
            )
            for side in ("train", "held_out")
        )
    )


def otherwise(reader: Reader, store: Path, train_run: int, recipe: Mapping[str, Any]) -> str:
    """Say how this pixd makes another model from what a training had; "" where it makes the same.

    Args:
        reader: the store's database.
        store: the store's folder.
        train_run: the run.
        recipe: its settings.

    Raises:
        OSError: its listing cannot be read.
    """
    revision = revision_of(reader, store, train_run, recipe)
    return revisions.otherwise(REVISIONS, revision) if revision is not None else ""


def revision_of(
    reader: Reader, store: Path, train_run: int, recipe: Mapping[str, Any]
) -> int | None:
    """Return the revision that made a training, from the record or else from its key.

    Raises:
        OSError: its listing cannot be read.
    """
    if (revision := retraining.revision_of(reader, train_run)) is not None:
        return revision
    key = lineage.key_of_run(reader, train_run)
    keys = Sides.of(reader, store, train_run).keys(recipe, recipe.get("validation", 0.0))
    return next((one.revision for one in keys if one.key == key), None)
