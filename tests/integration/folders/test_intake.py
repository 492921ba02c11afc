"""Intake on a real folder and a real store, with the time passed in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.folders import tracking
from tests.support.proc import Proc
from tests.support.watched import SETTLE_S, Folder


@pytest.fixture(params=["training", "input"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Folder]:
    folder = Folder(tmp_path, request.param)
    yield folder
    folder.intake.stop()
    folder.store.close()


def test_what_settled_is_recorded_as_it_is(folder: Folder) -> None:
    (folder.root / "sub").mkdir()
    (folder.root / "a.png").write_bytes(b"a")
    (folder.root / "sub" / "b.png").write_bytes(b"b")
    folder.settle()
    assert folder.files() == {"a.png": b"a", "sub/b.png": b"b"}
    assert folder.commits() == ["+2 files"]
    assert folder.intake.is_calm


def test_a_file_still_growing_is_not_taken(folder: Folder) -> None:
    growing = folder.root / "a.png"
    for number in range(10):
        with growing.open("ab") as file:
            file.write(b"x%d" % number)
        folder.step(SETTLE_S * 0.9)
    assert folder.files() == {}
    assert folder.store.working.counts(folder.intake.repo_id) == {"settling": 1}
    folder.settle()
    assert folder.files() == {"a.png": growing.read_bytes()}


def test_a_change_and_a_removal_are_deltas(folder: Folder) -> None:
    for name in ("a", "b", "c"):
        (folder.root / name).write_bytes(name.encode())
    folder.settle()
    (folder.root / "a").write_bytes(b"other")
    (folder.root / "b").unlink()
    (folder.root / "d").write_bytes(b"d")
    folder.settle()
    assert folder.files() == {"a": b"other", "c": b"c", "d": b"d"}
    total = {"+": 0, "~": 0, "-": 0}
    for reason in folder.commits()[1:]:
        for part in reason.removesuffix("s").removesuffix(" file").split(", "):
            total[part[0]] += int(part[1:])
    assert total == {"+": 1, "~": 1, "-": 1}


def test_a_rename_moves_the_name_and_keeps_the_bytes(folder: Folder) -> None:
    (folder.root / "old.png").write_bytes(b"same")
    folder.settle()
    (folder.root / "old.png").rename(folder.root / "new.png")
    folder.settle()
    assert folder.files() == {"new.png": b"same"}


def test_a_touch_makes_no_commit(folder: Folder) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    os.utime(folder.root / "a.png", (1, 1))
    folder.settle()
    assert folder.commits() == ["+1 file"]
    assert folder.intake.is_calm


def test_an_overwrite_of_the_same_size_and_mtime_is_seen(folder: Folder) -> None:
    path = folder.root / "a.png"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    folder.settle()
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    folder.settle()
    assert folder.files() == {"a.png": b"two"}


def test_a_restart_reads_nothing_again_and_sees_what_came_meanwhile(folder: Folder) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    (folder.root / "b.png").write_bytes(b"b")
    folder.restart()
    folder.settle()
    assert folder.files() == {"a.png": b"a", "b.png": b"b"}
    assert folder.commits() == ["+1 file", "+1 file"]
    folder.restart()
    folder.settle()
    assert len(folder.commits()) == 2


def test_folders_that_were_moved_away_are_not_watched_for_ever(
    folder: Folder, wait_until: Callable[..., None]
) -> None:
    process = Proc(os.getpid())
    folder.settle()
    before = process.watches()
    for number in range(20):
        (folder.root / f"batch-{number}").mkdir()
        wait_until(lambda number=number: process.watches() == before + number + 1)
        (folder.root / f"batch-{number}").rename(folder.root.with_name(f"done-{number}"))

    def are_let_go() -> bool:
        folder.step(2)
        return process.watches() == before

    wait_until(are_let_go)
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    assert folder.files() == {"a.png": b"a"}


def test_a_folder_that_is_gone_loses_no_file(folder: Folder) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    away = folder.root.with_name("away")
    folder.root.rename(away)
    folder.step(2)
    folder.step(10)
    assert folder.intake.held
    assert folder.files() == {"a.png": b"a"}
    away.rename(folder.root)
    folder.step(10)
    folder.settle()
    assert not folder.intake.held
    assert folder.commits() == ["+1 file"]


def test_what_is_no_file_is_refused_with_its_reason(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    (folder.root / "link.png").symlink_to(outside)
    os.mkfifo(folder.root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder.root / "socket.png"))
    folder.settle()
    assert folder.files() == {}
    rows = folder.store.db.execute("SELECT path, state, reason FROM file").fetchall()
    assert {row[0] for row in rows} == {"link.png", "pipe.png", "socket.png"}
    assert all(row[1] == "rejected" and row[2] for row in rows)


def test_a_thousand_files_dropped_together_are_one_training_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a step reads few of them, and the time here does not wait for it.
    monkeypatch.setattr(tracking, "STEP_BUDGET_S", 60.0)
    folder = Folder(tmp_path, "training")
    for number in range(1000):
        (folder.root / f"{number}.png").write_bytes(b"%d" % number)
    folder.settle()
    for _ in range(20):
        folder.step(0.6)
    assert folder.commits() == ["+1000 files"]
    folder.intake.stop()
    folder.store.close()


def test_a_file_that_vanishes_while_it_settles_leaves_no_trace(folder: Folder) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.step()
    (folder.root / "a.png").unlink()
    folder.settle()
    assert folder.commits() == []
    assert folder.store.working.counts(folder.intake.repo_id) == {}
    assert folder.intake.is_calm
