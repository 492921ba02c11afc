"""The store grows by the change and not by the folder, and old history costs nothing.

Counted in SQLite's virtual machine steps, rows and bytes, which do not depend on the machine;
benchmarks/lineage_growth.py measures seconds at full size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pixd.answers import status, trace, why
from pixd.config.load import load
from pixd.config.settings import Settings
from pixd.store import connection, manifests
from pixd.store.commits import Change
from pixd.store.opening import open_store
from pixd.store.queries import changes, files, history, lineage
from pixd.store.store import Store
from pixd.system.digests import digest_of
from tests.support.commits import record
from tests.support.models import add_model

FILES = 3000
FEW, MANY = 10, 150
NAMES = [f"folder/{n:05d}.png" for n in range(FILES)]
OLD = digest_of(NAMES[500].encode())
CONFIG = """\
pipelines:
  p: {training: ./training, input: ./input, output: ./output}
"""

Question = Callable[[sqlite3.Connection, Path], object]
QUESTIONS: dict[str, Question] = {
    "log": lambda r, _: (history.commits(r, "p", "training", 20), history.events(r, "p", 20)),
    "show": lambda r, _: (history.commit(r, "p", "training", "HEAD~1"), history.by_digest(r, OLD)),
    "trace": lambda r, s: trace.of_content(r, s, OLD),
    "models": lambda r, s: lineage.models_of(r, s, "p", OLD),
    "why": lambda r, s: (files.last_change(r, "p", "training", NAMES[500]), why.of_run(r, s, 1)),
    "wait": lambda r, _: (
        changes.change(r, "c000000003"),
        changes.unfinished(r, "c000000003"),
        changes.failures(r, "c000000003"),
    ),
}


class Cost(NamedTuple):
    """What questions and one recording cost: hundreds of VM steps, pages, bytes of objects."""

    asking: dict[str, int]
    recording: int
    pages: int
    bytes: int


def change_one(store: Store, number: int) -> None:
    """Record one changed file, as a recorder does."""
    repo = store.history.repo_id("p", "training")
    name = NAMES[number % 7]
    before = store.working.head_bucket(repo, manifests.bucket_of(name))[name].digest
    stored = store.objects.add(b"change %d" % number)
    store.objects.flush()
    changed = [Change(name, before, stored.digest)]
    with store.transaction():
        store.history.add_objects([stored], "application/octet-stream")
        store.db.conn.execute(
            "UPDATE file SET digest = ?, size_bytes = ? WHERE repo_id = ? AND path = ?",
            (stored.digest, stored.size_bytes, repo, name),
        )
        manifest = store.history.prepare_version(repo, changed, store.working)
        store.objects.flush()
        store.history.commit(
            repo, manifest, changed, change_id=f"c{number:09d}", reason="~1 file",
            objects={stored.digest: stored},
        )  # fmt: skip
        store.note("p", "info", "commit", f"training: {number}", f"c{number:09d}")


def steps(conn: sqlite3.Connection, question: Callable[[], object]) -> int:
    """Return how many hundred steps of SQLite's virtual machine a question takes."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    conn.set_progress_handler(tick, 100)
    try:
        question()
    finally:
        conn.set_progress_handler(None, 0)
    return count


def measure(store: Store, settings: Settings, patch: pytest.MonkeyPatch) -> Cost:
    asking = {}
    for name, question in questions(settings, patch).items():
        reader = connection.open_reader(store.folder)
        asking[name] = steps(reader, lambda q=question, r=reader: q(r, store.folder))  # type: ignore[misc]
        reader.close()
    pages, size = footprint(store)
    recording = steps(store.db.conn, lambda: change_one(store, 10**6 + pages))
    after = footprint(store)
    return Cost(asking, recording, after[0] - pages, after[1] - size)


def questions(settings: Settings, patch: pytest.MonkeyPatch) -> dict[str, Question]:
    def ask_status(reader: sqlite3.Connection, _store: Path) -> object:
        with patch.context() as within:
            within.setattr(connection, "open_reader", lambda _: _Unclosed(reader))
            return status.snapshot(settings)

    return {**QUESTIONS, "status": ask_status}


class _Unclosed:
    """A connection that `status` may close and that stays open for us."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self.execute = reader.execute

    def close(self) -> None:
        pass


def footprint(store: Store) -> tuple[int, int]:
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    size = store.db.execute("SELECT bytes FROM object_total WHERE state = 'present'").fetchone()[0]
    return pages, size


@pytest.fixture(scope="module")
def grown(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Store, Settings, Cost, Cost]]:
    folder = tmp_path_factory.mktemp("grown")
    (folder / "config.yaml").write_text(CONFIG)
    settings = load(folder / "config.yaml")
    store = open_store(folder / "store")
    record(
        store, store.history.repo_id("p", "training"), {name: name.encode() for name in NAMES}, []
    )
    add_model(
        store, 1,
        {"train": [[name, [[name, digest_of(name.encode())]]] for name in NAMES], "held_out": []},
    )  # fmt: skip
    patch = pytest.MonkeyPatch()
    costs = []
    done = 0
    for count in (FEW, MANY):
        for number in range(done, count):
            change_one(store, number)
        done = count
        costs.append(measure(store, settings, patch))
    yield store, settings, costs[0], costs[1]
    patch.undo()
    store.close()


def test_old_history_makes_no_question_dearer(
    grown: tuple[Store, Settings, Cost, Cost],
) -> None:
    _, _, few, many = grown
    for name, cost in few.asking.items():
        assert many.asking[name] <= cost * 1.5 + 3, (name, cost, many.asking[name])
    assert many.recording <= few.recording * 1.5 + 3


def test_recording_a_change_grows_the_store_by_the_change(
    grown: tuple[Store, Settings, Cost, Cost],
) -> None:
    _, _, few, many = grown
    whole = sum(len(name) + 72 for name in NAMES)  # what a flat manifest of the folder would be
    for cost in (few, many):
        assert cost.pages <= 4  # each of 4 kB; a row a file would be hundreds
        assert cost.bytes < whole / 8


def test_no_question_reads_a_whole_table(
    grown: tuple[Store, Settings, Cost, Cost],
) -> None:
    store, settings, _, _ = grown
    reader = connection.open_reader(store.folder)
    asked: list[str] = []
    reader.set_trace_callback(asked.append)
    patch = pytest.MonkeyPatch()
    for question in questions(settings, patch).values():
        question(reader, store.folder)
    patch.undo()
    reader.set_trace_callback(None)
    assert len(asked) > 30
    may_be_read = {
        "object_total",  # a row a state
        "repo", "ref", "exclusion",  # a row a folder, a pipeline, a recall
        "removal",  # a row a file that cannot be removed now
        "model",  # asked by pipeline, all of them
    }  # fmt: skip
    for sql in asked:
        for row in reader.execute(f"EXPLAIN QUERY PLAN {sql}"):
            words = str(row[3]).split()
            if words[0] == "SCAN" and not words[1].startswith("("):  # "(subquery-2)"
                assert words[1] in may_be_read, (row[3], sql)
    reader.close()
