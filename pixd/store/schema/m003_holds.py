"""What must be kept about watched folders and pauses.

- *root*: which folder it was that the files of a repo were found in, and why it is on hold
- *pause*: pipelines that start no new work until `pixd resume`
- an index of the files that cannot be read, so that `status` need not read all that settle
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES = """
CREATE TABLE root (
    repo_id INTEGER PRIMARY KEY REFERENCES repo (id),
    path TEXT NOT NULL,
    device TEXT NOT NULL,
    inode TEXT NOT NULL,
    born_ns INTEGER NOT NULL,
    is_link INTEGER NOT NULL,
    hold TEXT NOT NULL DEFAULT '',
    held_at TEXT,
    is_accepted INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE pause (
    pipeline TEXT PRIMARY KEY,
    who TEXT NOT NULL,
    paused_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX file_unreadable ON file (repo_id, path) WHERE state = 'settling' AND reason <> '';
"""


def add_holds(db: Database) -> None:
    """Add the tables; needs `m001_lineage`."""
    run(db, _TABLES)
    crash_points.crash_point("migration")
