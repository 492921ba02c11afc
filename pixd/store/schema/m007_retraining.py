"""Models that are to be made anew, and the revision of the code that made a training.

- *retraining*: `pixd retrain` was asked for and is not done yet
- *run_revision*: the revision that is part of a training's key, which a digest does not tell
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES = """
CREATE TABLE retraining (
    pipeline TEXT PRIMARY KEY,
    model INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    change_id TEXT NOT NULL,
    asked_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run_revision (
    run_id INTEGER PRIMARY KEY REFERENCES run (id),
    revision INTEGER NOT NULL
) STRICT;
"""


def add_retraining(db: Database) -> None:
    """Add the tables."""
    run(db, _TABLES)
    crash_points.crash_point("migration")
