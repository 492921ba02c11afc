"""Variants that people asked to try: what is to be trained, on which pairs, and what came of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.store.queries import sweeps
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlite_utils import Database

    from pixd.store.queries.sweeps import Sweep


class Sweeps:
    """The tables `sweep`, `variant` and `variant_run`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def newest(self, pipeline: str) -> Sweep | None:
        """Return what was asked for last in a pipeline."""
        return sweeps.newest(self._db.conn, pipeline)

    def under_way(self, pipeline: str) -> Sweep | None:
        """Return what was asked for last, if it has not ended."""
        return sweeps.under_way(self._db.conn, pipeline)

    def add(
        self,
        pipeline: str,
        variants: Sequence[tuple[Mapping[str, Any], str]],
        *,
        who: str,
        change_id: str,
    ) -> int:
        """Write down what is to be tried; returns its number. Join the caller's transaction.

        Args:
            pipeline: its name.
            variants: of each the chosen settings, and the digest of its recipe.
            who: the user that asks.
            change_id: of the request.
        """
        cursor = self._db.conn.execute(
            "INSERT INTO sweep (pipeline, who, change_id, asked_at) VALUES (?, ?, ?, ?)",
            (pipeline, who, change_id, utc_now()),
        )
        sweep_id = cursor.lastrowid
        assert sweep_id is not None  # an INSERT always has one
        self._db.conn.executemany(
            "INSERT INTO variant (sweep_id, number, settings, recipe) VALUES (?, ?, ?, ?)",
            # Not canonical: the settings stay in the order in which they were given.
            [
                (sweep_id, number, json.dumps(settings), recipe)
                for number, (settings, recipe) in enumerate(variants, 1)
            ],
        )
        return sweep_id

    def begin(self, sweep_id: int, commit_seq: int, pairs: str) -> None:
        """Record the pairs that all variants are trained on. Join the caller's transaction."""
        self._db.conn.execute(
            "UPDATE sweep SET commit_seq = ?, pairs = ? WHERE id = ?", (commit_seq, pairs, sweep_id)
        )

    def note_run(self, run_id: int, sweep_id: int, number: int) -> None:
        """Record that a training is of a variant. Join the caller's transaction."""
        self._db.conn.execute(
            "INSERT INTO variant_run VALUES (?, ?, ?)", (run_id, sweep_id, number)
        )

    def made(self, sweep_id: int, number: int, model: int) -> None:
        """Record the model that came of a variant. Join the caller's transaction."""
        self._db.conn.execute(
            "UPDATE variant SET model = ?, trouble = '' WHERE sweep_id = ? AND number = ?",
            (model, sweep_id, number),
        )

    def give_up(self, sweep_id: int, number: int, trouble: str) -> None:
        """Record why no model comes of a variant."""
        self._db.conn.execute(
            "UPDATE variant SET trouble = ? WHERE sweep_id = ? AND number = ?",
            (trouble, sweep_id, number),
        )

    def end(self, sweep_id: int) -> None:
        """Record that nothing is left to do, or that somebody stopped it."""
        self._db.conn.execute("UPDATE sweep SET ended_at = ? WHERE id = ?", (utc_now(), sweep_id))

    def go_on(self, sweep_id: int, numbers: Sequence[int]) -> None:
        """Take a sweep up again, with these variants to be trained. Join the caller's transaction."""
        self._db.conn.execute("UPDATE sweep SET ended_at = NULL WHERE id = ?", (sweep_id,))
        self._db.conn.executemany(
            "UPDATE variant SET trouble = '', model = NULL WHERE sweep_id = ? AND number = ?",
            [(sweep_id, number) for number in numbers],
        )
