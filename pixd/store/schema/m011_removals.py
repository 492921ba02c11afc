"""Which withdrawn outputs still have a file that is to be removed, and why it could not be.

The file may be on a disk that is away, or in a folder that cannot be written. Without the table,
each start looked at every output that was ever withdrawn, and removed one that a person had put
back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLE = """
CREATE TABLE removal (
    pipeline TEXT NOT NULL,
    path TEXT NOT NULL,
    output_id INTEGER NOT NULL,
    why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pipeline, path)
) STRICT, WITHOUT ROWID;
INSERT INTO removal (pipeline, path, output_id)
    SELECT pipeline, path, id FROM output AS gone WHERE state = 'withdrawn' AND NOT EXISTS
        (SELECT 1 FROM output WHERE output.pipeline = gone.pipeline
            AND output.path = gone.path AND output.id > gone.id);
"""


def add_removals(db: Database) -> None:
    """Add the table, with what the next start would have looked at."""
    run(db, _TABLE)
    crash_points.crash_point("migration")
