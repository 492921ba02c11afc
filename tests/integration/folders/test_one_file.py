"""An error of one file among ten never ends the step of the nine others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pixd.folders import recorder as recording
from pixd.folders.recorder import Recorder
from pixd.store.files import WorkingFiles
from pixd.system import safe_open, stamps
from tests.support.watched import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BAD = "005.png"


@pytest.fixture(params=["training", "input"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path, request.param)
    yield made
    made.close()


def _named(argument: object) -> bool:
    """Tell whether a call is about the bad file."""
    name = getattr(argument, "name", argument)
    if isinstance(name, (dict, list, tuple, set)) and not hasattr(argument, "stamp"):
        return any(map(_named, name))
    return name == BAD


def _failing(call: Callable[..., Any]) -> Callable[..., Any]:
    def fails(*args: Any, **kwargs: Any) -> Any:
        given = [list(a) if hasattr(a, "__next__") else a for a in args]
        if any(map(_named, [*given, *kwargs.values()])):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return call(*given, **kwargs)

    return fails


@pytest.mark.parametrize(
    ("owner", "call"),
    [
        (safe_open, "open_regular"),
        (Recorder, "read"),
        (Recorder, "_take"),
        (recording, "HashedFile"),
        (WorkingFiles, "mark_settling"),
        (WorkingFiles, "record"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_nine_others_are_recorded_and_the_one_is_tried_again(
    folder: Folder, owner: Any, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(owner, call, _failing(getattr(owner, call)))
        for number in range(10):
            (folder.root / f"{number:03d}.png").write_bytes(b"%d" % number)
        folder.step()
        folder.step(2.1)
        folder.step(0.5)
        assert len(folder.files()) == 9
        assert BAD not in folder.files()
        told = folder.store.db.execute(
            "SELECT message FROM event WHERE level = 'warning'"
        ).fetchall()
        assert len(told) == 1, told
        assert BAD in told[0][0]
        state, reason = folder.states()[BAD]
        assert state == "settling"
        assert "OverflowError" in reason
    for _ in range(12):
        folder.step(30)
    assert len(folder.files()) == 10
    assert folder.intake.is_calm


def test_a_name_that_cannot_be_looked_at(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = stamps.stamp_fields

    def fails(about: os.stat_result) -> Any:
        if about.st_size == 7:
            raise ValueError("year 292277026596 is out of range")
        return real(about)

    with monkeypatch.context() as patched:
        patched.setattr("pixd.folders.scan.stamp_fields", fails)
        patched.setattr(stamps, "stamp_fields", fails)
        for number in range(10):
            (folder.root / f"{number:03d}.png").write_bytes(b"x" * (7 if number == 5 else 3))
        folder.step()
        for _ in range(4):
            folder.step(2.1)
        assert len(folder.files()) == 9
        assert folder.states()[BAD][0] == "settling"
        assert "year 292277026596" in folder.states()[BAD][1]
    folder.settle()
    assert len(folder.files()) == 10


def test_times_and_inodes_that_no_database_holds_are_taken(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = stamps.stamp_fields

    def far(about: os.stat_result) -> tuple[int, ...]:
        size, _, ctime_ns, inode, device = fields(about)
        return size, 253_402_300_799 * 10**9, ctime_ns, inode + 2**63, device

    monkeypatch.setattr("pixd.folders.scan.stamp_fields", far)
    monkeypatch.setattr(stamps, "stamp_fields", far)
    folder.fill(3)
    assert len(folder.files()) == 3
    folder.restart()
    folder.settle()
    assert len(folder.commits()) == 1


def test_a_set_of_links_out_is_on_hold_and_comes_back(folder: Folder, tmp_path: Path) -> None:
    folder.fill(56)
    commits = folder.commits()
    away = tmp_path / "away"
    away.mkdir()
    names = sorted(folder.files())[:50]
    for name in names:
        (folder.root / name).rename(away / name)
        (folder.root / name).symlink_to(away / name)
    for _ in range(4):
        folder.step(2.1)
    assert "50 of 56 recorded files are not there" in folder.intake.held
    assert folder.commits() == commits
    assert len(folder.files()) == 56
    for name in names:
        (folder.root / name).unlink()
        (away / name).rename(folder.root / name)
    for _ in range(6):
        folder.step(5.1)
    assert not folder.intake.held
    assert folder.commits() == commits


def test_links_that_appear_one_by_one_in_events_are_judged_too(
    folder: Folder, tmp_path: Path
) -> None:
    folder.fill(30)
    for name in sorted(folder.files())[:25]:
        (folder.root / name).unlink()
        (folder.root / name).symlink_to(tmp_path / "nothing")
        folder.now += 0.05
        folder.intake.step(folder.now)  # without a scan
    for _ in range(4):
        folder.step(2.1)
    assert folder.intake.held
    assert len(folder.files()) == 30


def test_what_one_command_made_links_of_is_one_commit(folder: Folder, tmp_path: Path) -> None:
    folder.fill(40)
    for name in sorted(folder.files())[:15]:
        (folder.root / name).unlink()
        (folder.root / name).symlink_to(tmp_path / "nothing")
        folder.now += 0.05
        folder.intake.step(folder.now)
    folder.settle()
    assert folder.commits()[1:] == ["-15 files"]
    assert folder.states()["000.png"] == (
        "rejected",
        "a symbolic link that leads out of the folder",
    )


def test_a_readme_beside_the_pictures_is_told_and_left_out(folder: Folder) -> None:
    (folder.root / "README.md").write_text("# Facades")
    (folder.root / "labels.csv").write_text("a,b")
    (folder.root / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    folder.settle()
    assert list(folder.files()) == ["picture.txt"]
    state, reason = folder.states()["README.md"]
    assert state == "rejected"
    assert reason.startswith("no picture by its content")
    revision = folder.intake.revision
    folder.step(30)
    folder.settle()
    assert folder.intake.revision == revision  # it is not read again for ever
    assert not folder.store.db.execute("SELECT 1 FROM event WHERE level <> 'info'").fetchall()
