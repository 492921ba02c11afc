"""Variants of the training settings that people asked to try.

- *sweep*: one `pixd try`; the pairs that all its variants are trained on are named when it begins
- *variant*: one choice of settings, and the model that came of it
- *variant_run*: which trainings were of a variant, and so which models never go live by themselves
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES = """
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    who TEXT NOT NULL,
    change_id TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    commit_seq INTEGER NOT NULL DEFAULT 0,
    pairs TEXT REFERENCES object (digest),
    ended_at TEXT
) STRICT;

CREATE INDEX sweep_by_pipeline ON sweep (pipeline, id);

CREATE TABLE variant (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    number INTEGER NOT NULL,
    settings TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipe (digest),
    model INTEGER,
    trouble TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (sweep_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE variant_run (
    run_id INTEGER PRIMARY KEY REFERENCES run (id),
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    number INTEGER NOT NULL
) STRICT;
"""


def add_sweeps(db: Database) -> None:
    """Add the tables."""
    run(db, _TABLES)
    crash_points.crash_point("migration")
