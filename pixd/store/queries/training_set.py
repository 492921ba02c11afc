"""What is known of a pipeline's training pairs: which belong together, and what was found.

`pixd.store.training_set` writes what is read here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class KinRow(NamedTuple):
    """One row of `kin`."""

    pair: str
    anchor: str
    touches: tuple[str, ...]
    contents: tuple[str, ...]
    since: int


class FindingCounts(NamedTuple):
    """How many findings there are about a training folder.

    Attributes:
        wrong: findings of what is wrong.
        look: findings that are worth a look.
        worst: the worst of them, in a line; "" where there is none.
    """

    wrong: int
    look: int
    worst: str


def kin_of(reader: sqlite3.Connection, pipeline: str, layout: str) -> list[KinRow]:
    """Return what was decided about every pair that a pipeline ever had under a layout."""
    rows = reader.execute(
        "SELECT pair, anchor, touches, contents, since_seq FROM kin"
        " WHERE pipeline = ? AND layout = ?",
        (pipeline, layout),
    )
    return [
        KinRow(row[0], row[1], tuple(json.loads(row[2])), tuple(json.loads(row[3])), row[4])
        for row in rows
    ]


def part_of_inputs(pipeline: str) -> str:
    """Return under which name findings about a pipeline's inputs are kept; no pipeline has it."""
    return f"{pipeline}/input"


def learned_of(reader: sqlite3.Connection, pipeline: str) -> dict[str, Any] | None:
    """Return which values the inputs among a pipeline's pairs use; None if that is unknown."""
    row = reader.execute("SELECT body FROM care WHERE pipeline = ?", (pipeline,)).fetchone()
    found: dict[str, Any] | None = json.loads(row[0]).get("inputs") if row else None
    return found


def found_of(reader: sqlite3.Connection, pipeline: str) -> FindingCounts | None:
    """Return a summary of what was last found about a folder; None before the first.

    Args:
        reader: the store's database.
        pipeline: whose training folder it is, or what `part_of_inputs` returns.
    """
    row = reader.execute(
        "SELECT wrong, look, worst FROM care WHERE pipeline = ?", (pipeline,)
    ).fetchone()
    return FindingCounts(*row) if row else None
