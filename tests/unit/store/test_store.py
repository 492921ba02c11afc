"""The lineage store: history that cannot change, keys that are worked on once, one writer."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.store import connection, lock, schema
from pixd.store.edges import Edge
from pixd.store.files import HashedFile
from pixd.store.opening import open_store
from pixd.store.queries import history
from pixd.store.queries.trainings import failures_of_key
from pixd.store.runs import run_key
from pixd.store.states import FileState, RunState
from pixd.store.store import Store
from pixd.system.errors import CannotTellError, StoreBusyError, StoreError
from pixd.system.stamps import FileStamp
from tests.support.commits import record


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def test_the_writer_carries_no_arrays(tmp_path: Path) -> None:
    # sqlite-utils imports NumPy where it finds it: 0.1 s and 20 MB of a service that has no use.
    code = (
        "import sys, pathlib; from pixd.store.opening import open_store; open_store(pathlib.Path(sys.argv[1]));"
        " assert 'sqlite_utils' in sys.modules; assert 'numpy' not in sys.modules;"
        " import numpy"  # it can still be had by who needs it
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], check=True)


def test_a_to_b_to_a_is_three_commits_and_two_versions(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    first = record(store, repo, {"a.png": b"a"}, [])
    second = record(store, repo, {"b.png": b"b"}, [])
    third = record(store, repo, {}, ["b.png"])
    assert [first.seq, second.seq, third.seq] == [1, 2, 3]
    assert first.version == third.version != second.version
    assert store.db["version"].count == 2


@pytest.mark.parametrize("table", ["object", "version", "commit", "commit_change"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid"])
def test_history_refuses_to_be_changed(store: Store, table: str, statement: str) -> None:
    record(store, store.history.repo_id("p", "training"), {"a.png": b"a"}, [])
    if "UPDATE" in statement:
        column = store.db[table].columns[0].name
        statement = f'UPDATE {{}} SET "{column}" = "{column}"'  # noqa: S608
    with pytest.raises(sqlite3.IntegrityError, match="history"):
        store.db.conn.execute(statement.format(f'"{table}"'))


def test_two_runs_of_one_key_cannot_both_be_active(store: Store) -> None:
    recipe = store.runs.add_recipe("train", {"steps": 3})
    key = run_key("train", 1, recipe, ["sha256:1"])

    def queue() -> int:
        return store.runs.queue(
            "p", "train", key, change_id="c", recipe=recipe, inputs=[], reason="because"
        )

    first = queue()
    with pytest.raises(sqlite3.IntegrityError):
        queue()
    assert store.runs.move(first, (RunState.QUEUED,), RunState.RUNNING)
    assert store.runs.move(first, (RunState.RUNNING,), RunState.FAILED, reason="no")
    second = queue()
    assert store.runs.get(second).attempt == 2


def test_a_late_report_about_a_run_given_up_changes_nothing(store: Store) -> None:
    recipe = store.runs.add_recipe("train", {})
    run = store.runs.queue(
        "p",
        "train",
        "k",
        change_id="c",
        recipe=recipe,
        inputs=[],
        reason="",
        state=RunState.RUNNING,
    )
    assert store.runs.move(run, (RunState.RUNNING,), RunState.LOST)
    assert not store.runs.move(run, (RunState.RUNNING, RunState.PUBLISHING), RunState.SUCCEEDED)
    assert store.runs.get(run).state == "lost"


def test_a_recipe_with_the_same_settings_is_the_same_recipe(store: Store) -> None:
    one = store.runs.add_recipe("train", {"a": 1, "b": 2.0})
    two = store.runs.add_recipe("train", {"b": 2.0, "a": 1})
    assert one == two
    assert store.runs.add_recipe("train", {"a": 2, "b": 2.0}) != one


def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    def half_done() -> None:
        with store.transaction():
            store.note("p", "info", "x", "half done")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert store.db["event"].count == 0


def test_a_second_writer_is_told_who_holds_the_store(store: Store) -> None:
    with pytest.raises(StoreBusyError, match=r"pid \d+"):
        open_store(store.folder)


def test_a_reader_works_beside_the_writer_and_cannot_write(store: Store) -> None:
    record(store, store.history.repo_id("p", "training"), {"a.png": b"a"}, [])
    reader = connection.open_reader(store.folder)
    assert history.commits(reader, "p", "training", 5)[0]["name"] == "training@1"
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM file")
    reader.close()


def test_head_and_its_ancestors_are_found_by_name(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    for number in range(3):
        record(store, repo, {f"{number}.png": b"x%d" % number}, [])
    reader = connection.open_reader(store.folder)
    newest = history.commit(reader, "p", "training", "HEAD")
    before = history.commit(reader, "p", "training", "HEAD~1")
    assert newest is not None
    assert before is not None
    assert (newest["seq"], before["seq"]) == (3, 2)
    assert history.commit(reader, "p", "training", "HEAD~7") is None
    reader.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    database = folder / connection.DATABASE
    database.write_bytes(b"this is no database at all, and longer than a header" * 20)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(folder)
    assert database.read_bytes().startswith(b"this is no database")


def test_a_store_of_a_newer_pixd_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = open_store(folder)
    store.db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('pixd', 'm999_future', '2030')"
    )
    store.close()
    with pytest.raises(StoreError, match="m999_future"):
        open_store(folder)


def test_asking_where_there_is_no_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CannotTellError) as caught:
        connection.open_reader(tmp_path)
    assert "pixd run" in caught.value.advice


def test_the_lock_is_free_once_its_holder_is_gone(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert lock.holder_pid(tmp_path) is not None
    store.close()
    assert lock.holder_pid(tmp_path) is None


def test_inputs_are_due_again_only_when_model_recipe_or_content_changed(store: Store) -> None:
    repo = store.history.repo_id("p", "input")
    record(store, repo, {"a.jpg": b"a", "b.jpg": b"b"}, [])
    digest = store.working.head(repo)["a.jpg"].digest
    recipe = store.runs.add_recipe("translate", {})
    run = store.runs.queue(
        "p", "translate", "k", change_id="c", recipe=recipe, reason="", state=RunState.RUNNING,
        inputs=[Edge("image", "a.jpg", digest)],
    )  # fmt: skip
    made = store.objects.add(b"png")
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([made], "image/png")
        row = store.outputs.intend(
            "p", "a.jpg.png", input_path="a.jpg", input_digest=digest, model_digest="m1",
            recipe=recipe, run_id=run, digest=made.digest, change_id="c",
        )  # fmt: skip
    store.outputs.settle_intent(row)
    store.working.set_state(repo, ["a.jpg", "b.jpg"], FileState.TRANSLATED)
    assert store.outputs.requeue_stale("p", repo, "m1", recipe) == 1  # b.jpg has no output
    store.working.set_state(repo, ["b.jpg"], FileState.REJECTED, "bad")
    assert store.outputs.requeue_stale("p", repo, "m1", recipe) == 0
    assert store.outputs.requeue_stale("p", repo, "m2", recipe) == 1


def test_the_queries_behind_status_use_their_indexes(store: Store) -> None:
    plans = {
        "SELECT state, files FROM file_total WHERE repo_id = 1": "PRIMARY KEY",
        "SELECT state, outputs FROM output_total WHERE pipeline = 'p'": "PRIMARY KEY",
        "SELECT path FROM file WHERE repo_id = 1 AND state = 'failed' ORDER BY path": "file_by_st",
        "SELECT id FROM run WHERE key = 'k' AND pipeline = 'p' AND state = 'succeeded'": "run_by",
        "SELECT path FROM file WHERE repo_id = 1 AND state = 'queued' ORDER BY path": "file_by_st",
    }
    for sql, index in plans.items():
        plan = " ".join(row[3] for row in store.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert index in plan, plan
        assert "SCAN" not in plan, plan


def test_a_start_looks_for_half_published_outputs_by_an_index(store: Store) -> None:
    asked: list[str] = []
    store.db.conn.set_trace_callback(asked.append)
    store.outputs.intents()
    store.db.conn.set_trace_callback(None)
    assert len(asked) == 1
    for sql in asked:
        plan = [str(row[3]) for row in store.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}")]
        assert "output_by_state" in plan[0], plan
        assert "SCAN output" not in plan, plan


def test_the_totals_of_files_follow_whatever_happens_to_them(store: Store) -> None:
    repo, other = (store.history.repo_id("p", kind) for kind in ("training", "input"))
    working = store.working
    stamp = FileStamp(size=1, mtime_ns=1, ctime_ns=1, device=1, inode=1)

    def read(name: str) -> HashedFile:
        return HashedFile(name, store.working.head(repo)[name].digest, stamp, is_racy=False)

    happenings: list[Callable[[], object]] = [
        lambda: record(store, repo, {f"{n}.png": b"%d" % n for n in range(9)}, []),
        lambda: record(store, other, {"elsewhere.png": b"x"}, []),
        lambda: working.mark_settling(repo, ["0.png", "new.png"]),
        lambda: working.refresh(repo, [read("0.png")], FileState.RECORDED),
        lambda: working.refuse(repo, {"link.png": "a link out", "1.png": "too large"}),
        lambda: working.exclude(repo, ["2.png"], "recalled"),
        lambda: working.reread_excluded(repo),
        lambda: working.set_state(repo, ["3.png", "4.png", "new.png"], FileState.FAILED, "no"),
        lambda: working.set_state(repo, ["3.png"], FileState.FAILED, "still"),
        lambda: working.finish(repo, "5.png", read("5.png").digest, FileState.REJECTED, "no image"),
        lambda: working.retry(repo, ["1.png", "3.png", "5.png", "nowhere.png"], "c2"),
        lambda: working.forget(repo, ["6.png", "7.png", "nowhere.png"]),
        lambda: record(store, repo, {"8.png": b"changed"}, ["0.png"]),
    ]
    for number, happen in enumerate(happenings):
        happen()
        for each in (repo, other):
            counted = store.db.execute(
                "SELECT state, count(*) FROM file WHERE repo_id = ? GROUP BY state", (each,)
            )
            assert working.counts(each) == dict(counted.fetchall()), f"after happening {number}"
    assert working.counts(other) == {"recorded": 1}


def test_readers_know_every_migration_by_name(store: Store) -> None:
    applied = [migration.name for migration in schema.migrations.applied(store.db)]
    assert tuple(applied) == connection.MIGRATIONS


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("INSERT INTO _sqlite_migrations VALUES (99, 'pixd', 'm999_future', '2030')", "newer pixd"),
        ("DELETE FROM _sqlite_migrations WHERE name = 'm002_recall_and_trash'", "older pixd"),
    ],
)  # fmt: skip
def test_a_reader_of_another_version_says_so_and_reads_nothing(
    store: Store, sql: str, told: str
) -> None:
    store.db.execute(sql)
    with pytest.raises(CannotTellError, match=told) as caught:
        connection.open_reader(store.folder)
    assert caught.value.advice


def test_one_who_asks_for_the_holder_does_not_keep_a_service_away(tmp_path: Path) -> None:
    (tmp_path / lock.LOCK).touch()
    asking = os.open(tmp_path / lock.LOCK, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)  # as holder_pid does, for an instant
    later = threading.Timer(lock.LOCK_PATIENCE_S / 4, os.close, [asking])
    later.start()
    lock.StoreLock(tmp_path).release()
    later.join()


def test_a_log_without_its_index_is_not_passed_over(tmp_path: Path) -> None:
    # Killed, copied by hand without lineage.db-shm, and read by one who may not make it.
    store = open_store(tmp_path / "store")
    store.note("p", "info", "x", "only in the log so far")
    shutil.copytree(store.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
    store.close()
    assert connection._has_log(tmp_path / "copy" / connection.DATABASE)
    assert not connection._has_log(store.folder / connection.DATABASE)
    reader = connection.open_reader(tmp_path / "copy")
    assert reader.execute("SELECT message FROM event").fetchone()[0] == "only in the log so far"
    reader.close()


def test_an_attempt_that_came_further_lets_those_before_it_count_no_more(store: Store) -> None:
    recipe = store.runs.add_recipe("train", {"seed": 0})

    def fail(key: str) -> int:
        run = store.runs.queue(
            "p",
            "train",
            key,
            change_id="c",
            recipe=recipe,
            inputs=[],
            reason="",
            state=RunState.RUNNING,
        )
        store.runs.move(run, (RunState.RUNNING,), RunState.FAILED, reason="killed")
        return run

    first, second, other, third = fail("k"), fail("k"), fail("another"), fail("k")
    assert [run.run_id for run in failures_of_key(store.db.conn, "p", "k")] == [
        first,
        second,
        third,
    ]
    store.runs.forgive_before("p", "k", third)
    assert [run.run_id for run in failures_of_key(store.db.conn, "p", "k")] == [third]
    assert [run.run_id for run in failures_of_key(store.db.conn, "p", "another")] == [other]


def test_a_bit_that_flipped_in_a_trigger_is_damage_and_told_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    open_store(folder).close()
    path = folder / connection.DATABASE
    data = path.read_bytes()
    at = data.index(b"file_counts_update AFTER UPDATE OF state")
    path.write_bytes(data[:at] + data[at:].replace(b"OF state", b"OF stete", 1))
    with pytest.raises(StoreError, match="trigger file_counts_update is not as it was made"):
        open_store(folder)
