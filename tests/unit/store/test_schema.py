"""Migrations: an older store is brought up to date in one step, with everything in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from pixd.store import connection, schema
from pixd.store.opening import open_store
from pixd.store.schema.m012_exclusions_by_recall import add_exclusions_by_recall
from pixd.store.states import OutputState
from pixd.store.store import Store


def older_store(folder: Path) -> Path:
    """Make a store as the first release left it, with one published output."""
    folder.mkdir()
    db = Database(sqlite3.connect(folder / connection.DATABASE, isolation_level=None))
    schema.migrations.apply(db, stop_before="m002_recall_and_trash")
    db.execute("INSERT INTO recipe VALUES ('sha256:r', 'translate', '{}')")
    for digest, size in (("sha256:in", 10), ("sha256:out", 32)):
        db.execute("INSERT INTO object VALUES (?, ?, 'image/png', '2026')", (digest, size))
        db.execute("INSERT INTO object_bytes VALUES (?, 'present', '2026')", (digest,))
    db.execute(
        "INSERT INTO run (id, pipeline, kind, key, change_id, recipe, state, queued_at)"
        " VALUES (7, 'p', 'translate', 'k', 'c', 'sha256:r', 'succeeded', '2026')"
    )
    db.execute(
        "INSERT INTO output VALUES (3, 'p', 'a.png', 'a.png', 'sha256:in', 'sha256:m', 'sha256:r',"
        " 7, 'sha256:out', 'current', 'c', '2026')"
    )
    db.close()
    return folder


def totals(store: Store) -> dict[str, tuple[int, int]]:
    return {row[0]: (row[1], row[2]) for row in store.db.execute("SELECT * FROM object_total")}


def test_an_older_store_keeps_its_outputs_and_gets_its_totals(tmp_path: Path) -> None:
    store = open_store(older_store(tmp_path / "store"))
    standing = store.outputs.standing("p", "a.png")
    assert standing is not None
    assert (standing.id, standing.digest, standing.state) == (3, "sha256:out", "current")
    assert totals(store) == {"present": (2, 42)}
    assert store.db.execute("SELECT * FROM output_total").fetchall() == [("p", "current", 1)]
    assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    store.close()


def test_a_reader_has_an_older_store_as_the_next_start_will_make_it_and_writes_nothing(
    tmp_path: Path,
) -> None:
    folder = older_store(tmp_path / "store")
    before = (folder / connection.DATABASE).read_bytes()
    reader = connection.open_reader(folder)
    (row,) = reader.execute("SELECT * FROM output_total").fetchall()
    assert (row["pipeline"], row["outputs"]) == ("p", 1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM output_total")
    reader.close()
    assert (folder / connection.DATABASE).read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [connection.DATABASE]


def test_a_migration_cut_off_leaves_the_older_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = older_store(tmp_path / "store")

    def fail(_point: str) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("pixd.system.crash_points.crash_point", fail)
        with pytest.raises(RuntimeError):
            open_store(folder)
    db = sqlite3.connect(folder / connection.DATABASE)
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    assert "output" in names
    assert not names & {"output_next", "exclusion", "object_total"}
    db.close()
    store = open_store(folder)
    assert totals(store) == {"present": (2, 42)}
    store.close()


def test_an_older_store_knows_with_what_a_taught_pair_was_recalled(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    store.db.execute("DROP TABLE exclusion")
    store.db.execute(
        "CREATE TABLE exclusion (pipeline, digest, name, why, change_id, excluded_at,"
        " PRIMARY KEY (pipeline, digest))"
    )
    for digest, why, change_id in (
        ("input", "recalled by ada", "c1"),
        ("pair", "recalled by ada, with x.png, which it was taught from", "c1"),
        ("other", "recalled by bob", "c2"),
    ):
        store.db.execute(
            "INSERT INTO exclusion VALUES ('p', ?, ?, ?, ?, '')", [digest, digest, why, change_id]
        )
    add_exclusions_by_recall(store.db)
    rows = store.db.execute("SELECT digest, recalled FROM exclusion ORDER BY digest").fetchall()
    assert rows == [("input", "input"), ("other", "other"), ("pair", "input")]
    store.close()


def test_the_totals_follow_every_change_of_state(tmp_path: Path) -> None:
    store = open_store(older_store(tmp_path / "store"))
    store.db.execute("UPDATE object_bytes SET state = 'trashed' WHERE digest = 'sha256:in'")
    store.outputs.set_state(3, OutputState.WITHDRAWN)
    assert totals(store) == {"present": (1, 32), "trashed": (1, 10)}
    rows = store.db.execute("SELECT state, outputs FROM output_total WHERE outputs <> 0").fetchall()
    assert rows == [("withdrawn", 1)]
    store.close()
