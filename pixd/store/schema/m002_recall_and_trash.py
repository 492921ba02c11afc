"""What recall, retry and gc need, and totals that `status` reads without counting rows.

- an output may be *withdrawn*: taken away because what made it was recalled
- *exclusion*: contents that a person took out of a pipeline
- *forgiven*: failed runs that no longer count against their key, after `pixd retry`
- *trash*: bytes that gc moved away and that can still be brought back
- *object_total* and *output_total*: kept by triggers, so that the store may grow
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

# SQLite cannot change a CHECK: the table is made anew and takes the old one's name.
# Nothing refers to it. Source: https://sqlite.org/lang_altertable.html section 7.
_OUTPUT = """
CREATE TABLE output_next (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    path TEXT NOT NULL,
    input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipe (digest),
    run_id INTEGER NOT NULL REFERENCES run (id),
    digest TEXT NOT NULL REFERENCES object (digest),
    state TEXT NOT NULL CHECK (state IN ('publishing', 'current', 'superseded', 'orphaned',
        'edited', 'missing', 'withdrawn')),
    change_id TEXT NOT NULL,
    published_at TEXT NOT NULL
) STRICT;
INSERT INTO output_next SELECT * FROM output;
DROP TABLE output;
ALTER TABLE output_next RENAME TO output;
CREATE UNIQUE INDEX output_one_current ON output (pipeline, path)
    WHERE state IN ('current', 'edited', 'missing');
CREATE INDEX output_by_path ON output (pipeline, path, id);
CREATE INDEX output_by_input_path ON output (pipeline, input_path, id);
CREATE INDEX output_by_state ON output (pipeline, state);
CREATE INDEX output_by_digest ON output (digest);
CREATE INDEX output_by_input ON output (input_digest);
CREATE INDEX output_by_model ON output (model_digest, state);
CREATE INDEX output_by_change ON output (change_id);
CREATE INDEX output_by_run ON output (run_id);
"""

_TABLES = """
CREATE TABLE exclusion (
    pipeline TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    why TEXT NOT NULL,
    change_id TEXT NOT NULL,
    excluded_at TEXT NOT NULL,
    PRIMARY KEY (pipeline, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE forgiven (
    run_id INTEGER PRIMARY KEY REFERENCES run (id),
    forgiven_at TEXT NOT NULL
) STRICT;

CREATE TABLE trash (
    digest TEXT PRIMARY KEY REFERENCES object (digest),
    batch TEXT NOT NULL,
    name TEXT NOT NULL,
    why TEXT NOT NULL,
    trashed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX file_by_change ON file (change_id);
CREATE INDEX event_by_pipeline ON event (pipeline, id);
CREATE INDEX event_by_change ON event (change_id);
CREATE INDEX ref_log_by_change ON ref_log (change_id);
CREATE INDEX object_bytes_by_state ON object_bytes (state);

CREATE TABLE object_total (
    state TEXT PRIMARY KEY,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO object_total
    SELECT state, count(*), sum(size_bytes) FROM object_bytes JOIN object USING (digest)
    GROUP BY state;

CREATE TABLE output_total (
    pipeline TEXT NOT NULL,
    state TEXT NOT NULL,
    outputs INTEGER NOT NULL,
    PRIMARY KEY (pipeline, state)
) STRICT, WITHOUT ROWID;
INSERT INTO output_total SELECT pipeline, state, count(*) FROM output GROUP BY pipeline, state;
"""

_SIZE = "(SELECT size_bytes FROM object WHERE digest = {0}.digest)"
_OBJECT = (
    "INSERT INTO object_total VALUES ({0}.state, {1}1, {1}" + _SIZE + ") ON CONFLICT (state) DO"
    " UPDATE SET objects = objects + excluded.objects, bytes = bytes + excluded.bytes;"
)
_OUTPUT_ROW = (
    "INSERT INTO output_total VALUES ({0}.pipeline, {0}.state, {1}1) ON CONFLICT (pipeline, state)"
    " DO UPDATE SET outputs = outputs + excluded.outputs;"
)


def add_recall_and_trash(db: Database) -> None:
    """Add the tables; needs `m001_lineage`."""
    for script in (_OUTPUT, _TABLES):
        run(db, script)
    for table, change in (("object_bytes", _OBJECT), ("output", _OUTPUT_ROW)):
        for verb, changes in (
            ("INSERT", change.format("new", "")),
            ("DELETE", change.format("old", "-")),
            ("UPDATE OF state", change.format("old", "-") + change.format("new", "")),
        ):
            name = f"{table}_counts_{verb.split()[0].lower()}"
            db.execute(f"CREATE TRIGGER {name} AFTER {verb} ON {table} BEGIN {changes} END")
    crash_points.crash_point("migration")
