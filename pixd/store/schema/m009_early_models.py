"""Which models are early: exported while their training went on.

`early_of` is the number of steps of the whole training, for an early model; 0 for a training's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database


def add_early_models(db: Database) -> None:
    """Add the column; the models of before are all their trainings' own."""
    db.execute("ALTER TABLE model ADD COLUMN early_of INTEGER NOT NULL DEFAULT 0")
    crash_points.crash_point("migration")
