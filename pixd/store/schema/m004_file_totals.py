"""How many files of a folder are in which state, kept by triggers.

`status` and the service's loop ask for these numbers every second; counting the rows of
50,000 files would cost more than all the rest of the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLE = """
CREATE TABLE file_total (
    repo_id INTEGER NOT NULL REFERENCES repo (id),
    state TEXT NOT NULL,
    files INTEGER NOT NULL,
    PRIMARY KEY (repo_id, state)
) STRICT, WITHOUT ROWID
"""
_COUNT = (
    "INSERT INTO file_total VALUES ({0}.repo_id, {0}.state, {1}1) ON CONFLICT (repo_id, state)"
    " DO UPDATE SET files = files + excluded.files;"
)


def add_file_totals(db: Database) -> None:
    """Add the table and its triggers; needs `m001_lineage`."""
    db.execute(_TABLE)
    db.execute(
        "INSERT INTO file_total SELECT repo_id, state, count(*) FROM file GROUP BY repo_id, state"
    )
    for verb, when, changes in (
        ("INSERT", "", _COUNT.format("new", "")),
        ("DELETE", "", _COUNT.format("old", "-")),
        (
            "UPDATE OF state",
            "WHEN new.state <> old.state",
            _COUNT.format("old", "-") + _COUNT.format("new", ""),
        ),
    ):
        name = f"file_counts_{verb.split()[0].lower()}"
        db.execute(f"CREATE TRIGGER {name} AFTER {verb} ON file {when} BEGIN {changes} END")
    crash_points.crash_point("migration")
