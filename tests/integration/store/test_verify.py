"""verify finds every flipped byte, names what depends on it, and writes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from pixd.store import connection
from pixd.store.opening import open_store
from pixd.store.verify import CHANGED, Finding, verify
from pixd.system.digests import digest_of
from tests.support.commits import record
from tests.support.models import add_model, pairs


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a closed store of four commits, more files than a flat manifest has, and a model."""
    folder = tmp_path_factory.mktemp("sound") / "store"
    store = open_store(folder)
    repo = store.history.repo_id("p", "training")
    record(store, repo, {"a.png": b"first", "b.png": b"second"}, [])
    record(store, repo, {f"{n}.png": b"%d" % n for n in range(600)}, [])
    record(store, repo, {"a.png": b"other"}, ["7.png"])
    add_model(store, 3, {"train": pairs("a.png"), "held_out": []})
    store.close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of that store, to be damaged."""
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def findings(folder: Path) -> tuple[Finding, ...]:
    reader = connection.open_reader(folder)
    found = verify(reader, folder, {}, lambda *_: None).findings
    reader.close()
    return found


def flip(path: Path, position: int) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def times(folder: Path) -> dict[Path, int]:
    """Return when each file was written; SQLite's -shm is no data and every reader touches it."""
    files = [p for p in folder.rglob("*") if not p.name.endswith("-shm")]
    return {p: p.stat().st_mtime_ns for p in files}


def object_of(folder: Path, data: bytes) -> Path:
    hexadecimal = digest_of(data).removeprefix("sha256:")
    return folder / "objects" / hexadecimal[:2] / hexadecimal[2:]


def test_a_whole_store_is_found_whole_also_as_a_read_only_copy(
    folder: Path, tmp_path: Path
) -> None:
    assert findings(folder) == ()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    before = times(copy)
    assert findings(copy) == ()
    assert times(copy) == before


def test_a_flipped_byte_in_an_image_names_its_file_and_commits(folder: Path) -> None:
    flip(object_of(folder, b"first"), 2)
    (found,) = findings(folder)
    assert (found.what, found.name) == ("object", digest_of(b"first"))
    assert found.depends == ("p/training/a.png from training@1 until training@3",)


def test_lost_bytes_are_named(folder: Path) -> None:
    object_of(folder, b"599").unlink()
    (found,) = findings(folder)
    assert found.problem == "its bytes are gone"
    assert "599.png" in found.depends[0]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_flipped_byte_in_a_manifest_names_its_commit(folder: Path, number: int) -> None:
    reader = connection.open_reader(folder)
    version = reader.execute('SELECT version FROM "commit" WHERE seq = ?', (number,)).fetchone()[0]
    reader.close()
    flip(folder / "objects" / version[7:9] / version[9:], 40)
    found = findings(folder)
    assert any(f.name == version and f"p/training@{number}" in f.depends for f in found)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE \"commit\" SET reason = 'innocent' WHERE seq = 2",
        "UPDATE \"commit\" SET committed_at = '2020-01-01T00:00:00.000Z' WHERE seq = 1",
        "UPDATE \"commit\" SET change_id = 'c2' WHERE seq = 3",
        "UPDATE commit_change SET path = 'x.png' WHERE path = 'b.png'",
        "UPDATE commit_change SET old_digest = NULL WHERE path = '7.png'",
        "DELETE FROM commit_change WHERE path = '41.png'",
        "UPDATE version SET files = files + 1 WHERE files > 599",
        'DELETE FROM "commit" WHERE seq = 1',
    ],
)
def test_an_edited_past_shows(folder: Path, statement: str) -> None:
    db = sqlite3.connect(folder / connection.DATABASE)
    for (trigger,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(statement)
    db.commit()
    db.close()
    assert any(f.what == "commit" for f in findings(folder)), statement


def test_one_flipped_byte_of_the_chain_in_the_database_file_shows(folder: Path) -> None:
    db = sqlite3.connect(folder / connection.DATABASE)
    chain = db.execute('SELECT chain FROM "commit" WHERE seq = 2').fetchone()[0]
    db.close()
    path = folder / connection.DATABASE
    flip(path, path.read_bytes().index(chain.encode()) + 20)
    assert {f.name for f in findings(folder)} == {"p/training@2", "p/training@3"}


def test_changed_and_missing_outputs_are_named(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    recipe = store.runs.add_recipe("translate", {})
    run = store.runs.queue(
        "p", "translate", "k", change_id="c", recipe=recipe, inputs=[], reason=""
    )
    made = [store.objects.add(b"made %d" % n) for n in range(3)]
    store.objects.flush()
    (tmp_path / "out").mkdir()
    with store.transaction():
        store.history.add_objects(made, "image/png")
        for number, one in enumerate(made):
            row = store.outputs.intend(
                "p", f"{number}.png", input_path="x", input_digest="sha256:i", model_digest="m",
                recipe=recipe, run_id=run, digest=one.digest, change_id="c",
            )  # fmt: skip
            store.outputs.settle_intent(row)
    (tmp_path / "out" / "0.png").write_bytes(b"made 0")
    (tmp_path / "out" / "1.png").write_bytes(b"made up")
    reader = connection.open_reader(store.folder)
    found = verify(reader, store.folder, {"p": tmp_path / "out"}, lambda *_: None)
    reader.close()
    store.close()
    assert found.outputs == 3
    assert [(f.name, f.problem) for f in found.findings] == [
        ("p/1.png", CHANGED),
        ("p/2.png", "it is missing from the output folder"),
    ]
