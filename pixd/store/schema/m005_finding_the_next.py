"""Indexes that find the next input and the current outputs without reading a whole table.

- *file_due*: the queued inputs alone, those that wait for a retry apart from the others
- *output_current*: the outputs whose file should be there, by path alone
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database


def add_indexes_of_the_next(db: Database) -> None:
    """Add the indexes; needs `m002_recall_and_trash`."""
    db.execute("CREATE INDEX file_due ON file (repo_id, retry_at, path) WHERE state = 'queued'")
    db.execute("CREATE INDEX output_current ON output (pipeline, path) WHERE state = 'current'")
    crash_points.crash_point("migration")
