"""Which variants of the settings were tried, and what came of each.

`pixd.store.sweeps` writes what is read here. Standard library only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

VARIANT: Final = "a variant that pixd try trained: "
"""How the reason begins for which a variant is not live: nobody has promoted it."""
NO_VARIANT: Final = "NOT EXISTS (SELECT 1 FROM variant_run WHERE variant_run.run_id = run.id)"
"""A condition on the table `run`: it is no training of a variant."""


class Variant(NamedTuple):
    """One choice of settings.

    Attributes:
        number: its place among those of its sweep, from 1.
        settings: the chosen values by key of `train`.
        recipe: all settings of its training.
        model: number of the model that came of it, or None.
        trouble: why none came, or "".
    """

    number: int
    settings: Mapping[str, Any]
    recipe: Mapping[str, Any]
    model: int | None
    trouble: str


class Sweep(NamedTuple):
    """What one `pixd try` asked for.

    Attributes:
        id: its number.
        pipeline: whose settings are varied.
        who: the user that asked.
        change_id: of the request.
        asked_at: RFC 3339 UTC.
        commit_seq: of the training commit whose pairs all variants are trained on; 0 before it
            begins.
        pairs: digest of the listing of these pairs; None before it begins.
        ended_at: when the last variant was done, or somebody stopped it; None until then.
        variants: in their order.
    """

    id: int
    pipeline: str
    who: str
    change_id: str
    asked_at: str
    commit_seq: int
    pairs: str | None
    ended_at: str | None
    variants: tuple[Variant, ...]

    @property
    def left(self) -> list[Variant]:
        """The variants that are to be trained."""
        return [one for one in self.variants if one.model is None and not one.trouble]


def newest(reader: sqlite3.Connection, pipeline: str) -> Sweep | None:
    """Return what was asked for last in a pipeline."""
    row = reader.execute(
        "SELECT id, pipeline, who, change_id, asked_at, commit_seq, pairs, ended_at FROM sweep"
        " WHERE pipeline = ? ORDER BY id DESC LIMIT 1",
        (pipeline,),
    ).fetchone()
    if row is None:
        return None
    rows = reader.execute(
        "SELECT number, settings, body, model, trouble FROM variant"
        " JOIN recipe ON recipe.digest = variant.recipe WHERE sweep_id = ? ORDER BY number",
        (row[0],),
    )
    return Sweep._make((*row, tuple(_variant(one) for one in rows)))


def under_way(reader: sqlite3.Connection, pipeline: str) -> Sweep | None:
    """Return what was asked for last, if it has not ended."""
    found = newest(reader, pipeline)
    return found if found and found.ended_at is None else None


def sweep_of_run(reader: sqlite3.Connection, run_id: int) -> int | None:
    """Return the number of the sweep that a training is a variant of; None for any other run."""
    row = reader.execute("SELECT sweep_id FROM variant_run WHERE run_id = ?", (run_id,)).fetchone()
    return int(row[0]) if row else None


def _variant(row: Any) -> Variant:
    number, settings, body, model, trouble = row
    recipe: dict[str, Any] = json.loads(body)
    recipe.pop("stage", None)
    return Variant(number, json.loads(settings), recipe, model, trouble)
