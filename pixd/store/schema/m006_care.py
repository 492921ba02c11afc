"""What is known of training pictures beyond whether they can be used.

- *measure*: a thumbnail and a few numbers of a content, under a layout; from the inspector
- *kin*: on whose digest the side of a pair in the held-out split depends; written once for each
- *care*: what was found about the training folder of a pipeline as it is now, for `status`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

# measure has row ids: a body of a kilobyte in the tree of its key would take a page each.
# Source: https://sqlite.org/withoutrowid.html section 4.
_TABLES = """
CREATE TABLE measure (
    digest TEXT NOT NULL,
    layout TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (digest, layout)
) STRICT;

CREATE TABLE kin (
    pipeline TEXT NOT NULL,
    layout TEXT NOT NULL,
    pair TEXT NOT NULL,
    anchor TEXT NOT NULL,
    touches TEXT NOT NULL,
    contents TEXT NOT NULL,
    since_seq INTEGER NOT NULL,
    PRIMARY KEY (pipeline, layout, pair)
) STRICT, WITHOUT ROWID;

CREATE TABLE care (
    pipeline TEXT PRIMARY KEY,
    basis TEXT NOT NULL,
    wrong INTEGER NOT NULL,
    look INTEGER NOT NULL,
    worst TEXT NOT NULL,
    body TEXT NOT NULL,
    judged_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


def add_care(db: Database) -> None:
    """Add the tables."""
    run(db, _TABLES)
    crash_points.crash_point("migration")
