"""Which recall excludes a content: several may, and each is undone by itself.

A recall also excludes the pairs that were taught from what it takes out. A pair that had been recalled
before kept the row of that recall alone, and undoing either let in everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

# `recalled` is the content that a person recalled. Of rows of before, the reason tells which it is.
_TABLE = """
CREATE TABLE exclusion_next (
    pipeline TEXT NOT NULL,
    digest TEXT NOT NULL,
    recalled TEXT NOT NULL,
    name TEXT NOT NULL,
    why TEXT NOT NULL,
    change_id TEXT NOT NULL,
    excluded_at TEXT NOT NULL,
    PRIMARY KEY (pipeline, digest, recalled)
) STRICT, WITHOUT ROWID;
INSERT INTO exclusion_next
    SELECT pipeline, digest, CASE WHEN why NOT LIKE '%, which it was taught from' THEN digest
        ELSE coalesce((SELECT min(digest) FROM exclusion AS own WHERE own.pipeline = one.pipeline
            AND own.change_id = one.change_id AND own.why NOT LIKE '%, which it was taught from'),
            digest) END,
        name, why, change_id, excluded_at FROM exclusion AS one;
DROP TABLE exclusion;
ALTER TABLE exclusion_next RENAME TO exclusion;
"""


def add_exclusions_by_recall(db: Database) -> None:
    """Make the table anew with one row for each content and recall."""
    run(db, _TABLE)
    crash_points.crash_point("migration")
