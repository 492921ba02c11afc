"""Runs as records: what explains one, and what went into it.

The companion of `pixd.store.queries.history`, which gives a run as `pixd show` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixd.store.edges import Edge
from pixd.store.queries import history
from pixd.store.states import RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run with everything that explains it.

    Attributes:
        id: number of its row.
        pipeline: whose run it is.
        kind: the stage: train, export or translate.
        key: digest of all that changes its result.
        change_id: the change that caused it.
        state: how far it is, or how it ended.
        reason: why it ran; if it failed, also with what.
        recipe: the stage's settings, with their digest.
        environment: library versions, host and device; None before it began.
        error: what went wrong, or None.
        started_at: RFC 3339 UTC; None before it began.
        finished_at: as `started_at`; None before it ended.
        inputs: what went into it.
    """

    id: int
    pipeline: str
    kind: str
    key: str
    change_id: str
    state: RunState
    reason: str
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    started_at: str | None
    finished_at: str | None
    inputs: tuple[Edge, ...]

    def input(self, role: str) -> Edge | None:
        """Return the first input in a role."""
        return next((edge for edge in self.inputs if edge.role == role), None)

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe without its digest."""
        return {name: value for name, value in self.recipe.items() if name != "digest"}


def recorded_run(reader: sqlite3.Connection, run_id: int) -> RecordedRun | None:
    """Return one run with its recipe, inputs and environment."""
    found = history.run(reader, run_id)
    if found is None:
        return None
    return RecordedRun(
        id=found["id"],
        pipeline=found["pipeline"],
        kind=found["kind"],
        key=found["key"],
        change_id=found["change_id"],
        state=RunState.of(found["state"]),
        reason=found["reason"],
        recipe=found["recipe"],
        environment=found["environment"],
        error=found["error"],
        started_at=found["started_at"],
        finished_at=found["finished_at"],
        inputs=tuple(Edge(**edge) for edge in found["inputs"]),
    )


def edges(reader: sqlite3.Connection, run_id: int, role: str) -> list[Edge]:
    """Return the inputs of a run in one role."""
    rows = reader.execute(
        "SELECT role, path, digest FROM run_input WHERE run_id = ? AND role = ?", (run_id, role)
    )
    return [Edge(*row) for row in rows]
