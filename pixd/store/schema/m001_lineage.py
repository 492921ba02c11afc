"""The first tables: repos, objects, commits, files, runs, models, refs, outputs, events.

Never edited again: `pixd.store.schema` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.schema.script import run
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLES = """
CREATE TABLE repo (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('training', 'input')),
    UNIQUE (pipeline, kind)
) STRICT;

CREATE TABLE object (
    digest TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE object_bytes (
    digest TEXT PRIMARY KEY REFERENCES object (digest),
    state TEXT NOT NULL CHECK (state IN ('present', 'trashed', 'removed')),
    changed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    digest TEXT PRIMARY KEY REFERENCES object (digest),
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE "commit" (
    id INTEGER PRIMARY KEY,
    repo_id INTEGER NOT NULL REFERENCES repo (id),
    seq INTEGER NOT NULL,
    parent_id INTEGER REFERENCES "commit" (id),
    version TEXT NOT NULL REFERENCES version (digest),
    change_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    added INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    committed_at TEXT NOT NULL,
    chain TEXT NOT NULL,
    UNIQUE (repo_id, seq)
) STRICT;
CREATE INDEX commit_by_version ON "commit" (version);
CREATE INDEX commit_by_change ON "commit" (change_id);

CREATE TABLE commit_change (
    commit_id INTEGER NOT NULL REFERENCES "commit" (id),
    path TEXT NOT NULL,
    old_digest TEXT,
    new_digest TEXT,
    PRIMARY KEY (commit_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX commit_change_by_new ON commit_change (new_digest);
CREATE INDEX commit_change_by_old ON commit_change (old_digest);
CREATE INDEX commit_change_by_path ON commit_change (path);

CREATE TABLE file (
    repo_id INTEGER NOT NULL REFERENCES repo (id),
    path TEXT NOT NULL,
    bucket TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('settling', 'recorded', 'queued', 'translated', 'rejected', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    digest TEXT REFERENCES object (digest),
    size_bytes INTEGER NOT NULL DEFAULT 0,
    mtime_ns INTEGER NOT NULL DEFAULT 0,
    ctime_ns INTEGER NOT NULL DEFAULT 0,
    device INTEGER NOT NULL DEFAULT 0,
    inode INTEGER NOT NULL DEFAULT 0,
    hashed_at_ns INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at TEXT,
    change_id TEXT NOT NULL DEFAULT '',
    seen_at TEXT NOT NULL,
    PRIMARY KEY (repo_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_by_state ON file (repo_id, state, path);
CREATE INDEX file_by_bucket ON file (repo_id, bucket);
CREATE INDEX file_by_digest ON file (digest);

CREATE TABLE verdict (
    digest TEXT NOT NULL,
    layout TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    reason TEXT NOT NULL,
    width_px INTEGER,
    height_px INTEGER,
    decided_at TEXT NOT NULL,
    PRIMARY KEY (digest, layout)
) STRICT, WITHOUT ROWID;

CREATE TABLE recipe (
    digest TEXT PRIMARY KEY,
    stage TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE environment (
    digest TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('train', 'export', 'preprocess', 'translate')),
    key TEXT NOT NULL,
    change_id TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipe (digest),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'publishing', 'succeeded',
        'failed', 'cancelled', 'superseded', 'lost')),
    reason TEXT NOT NULL DEFAULT '',
    attempt INTEGER NOT NULL DEFAULT 1,
    worker TEXT,
    progress TEXT,
    timings TEXT,
    error TEXT,
    environment TEXT REFERENCES environment (digest),
    reused_from INTEGER REFERENCES run (id),
    queued_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT
) STRICT;
CREATE UNIQUE INDEX run_one_active_by_key ON run (pipeline, key)
    WHERE state IN ('queued', 'running', 'publishing');
CREATE INDEX run_by_key ON run (key, state);
CREATE INDEX run_by_kind ON run (pipeline, kind, id);
CREATE INDEX run_by_change ON run (change_id);
CREATE INDEX run_unfinished ON run (state) WHERE state IN ('queued', 'running', 'publishing');

CREATE TABLE run_input (
    run_id INTEGER NOT NULL REFERENCES run (id),
    role TEXT NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (run_id, role, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_input_by_digest ON run_input (digest);

CREATE TABLE run_output (
    run_id INTEGER NOT NULL REFERENCES run (id),
    role TEXT NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES object (digest),
    PRIMARY KEY (run_id, role, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_output_by_digest ON run_output (digest);

CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    train_run INTEGER NOT NULL REFERENCES run (id),
    export_run INTEGER NOT NULL REFERENCES run (id),
    version TEXT NOT NULL REFERENCES version (digest),
    commit_seq INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    verdict TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (pipeline, number)
) STRICT;
CREATE INDEX model_by_digest ON model (digest);
CREATE INDEX model_by_train_run ON model (train_run);

CREATE TABLE ref (
    pipeline TEXT NOT NULL,
    name TEXT NOT NULL,
    model_id INTEGER NOT NULL REFERENCES model (id),
    is_pinned INTEGER NOT NULL DEFAULT 0,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE ref_log (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    name TEXT NOT NULL,
    old_model_id INTEGER REFERENCES model (id),
    new_model_id INTEGER REFERENCES model (id),
    is_pinned INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    change_id TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT;

CREATE TABLE output (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    path TEXT NOT NULL,
    input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    recipe TEXT NOT NULL REFERENCES recipe (digest),
    run_id INTEGER NOT NULL REFERENCES run (id),
    digest TEXT NOT NULL REFERENCES object (digest),
    state TEXT NOT NULL CHECK (state IN
        ('publishing', 'current', 'superseded', 'orphaned', 'edited', 'missing')),
    change_id TEXT NOT NULL,
    published_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX output_one_current ON output (pipeline, path)
    WHERE state IN ('current', 'edited', 'missing');
CREATE INDEX output_by_path ON output (pipeline, path, id);
CREATE INDEX output_by_input_path ON output (pipeline, input_path, id);
CREATE INDEX output_by_state ON output (pipeline, state);
CREATE INDEX output_by_digest ON output (digest);
CREATE INDEX output_by_input ON output (input_digest);

CREATE TABLE pin (
    digest TEXT PRIMARY KEY,
    why TEXT NOT NULL,
    pinned_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstone (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    digest TEXT NOT NULL,
    why TEXT NOT NULL,
    buried_at TEXT NOT NULL
) STRICT;

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    change_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_by_level ON event (pipeline, level, id);

CREATE TABLE metric (
    run_id INTEGER NOT NULL REFERENCES run (id),
    step INTEGER NOT NULL,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run_id, step, name)
) STRICT, WITHOUT ROWID;
"""

_IMMUTABLE = (
    "object",
    "version",
    "commit",
    "commit_change",
    "recipe",
    "environment",
    "run_input",
    "run_output",
    "model",
    "ref_log",
)


def create_lineage(db: Database) -> None:
    """Make the tables, and the triggers that keep history as it is."""
    run(db, _TABLES)
    for table in _IMMUTABLE:
        for verb in ("UPDATE", "DELETE"):
            db.execute(
                f'CREATE TRIGGER "{table}_refuses_{verb.lower()}" BEFORE {verb} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{table} is history and cannot be changed'); END"
            )
    crash_points.crash_point("migration")
