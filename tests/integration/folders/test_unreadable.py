"""A file that cannot be read is waited for, with the reason; it is never refused for that."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.folders.unreadable import Unreadable
from pixd.store.objects import ObjectStore, SourceError, StoredObject
from pixd.system import safe_open, stamps
from pixd.system.backoff import FIRST_RETRY_S, LONGEST_RETRY_S
from tests.support.watched import SETTLE_S, Folder

STAMP = stamps.FileStamp(1, 1, 1, 1, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path, "input")
    yield folder
    folder.close()


class Disk:
    """Lets files of the folder fail to open, as a disk or a network does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken: dict[str, int] = {}
        self.opened: list[str] = []
        self._open = safe_open.open_regular
        monkeypatch.setattr(safe_open, "open_regular", self.open)

    def open(self, root: Path, name: str) -> int:
        self.opened.append(name)
        if name in self.broken:
            raise OSError(self.broken[name], os.strerror(self.broken[name]))
        return self._open(root, name)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EBUSY, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT]
)
def test_it_waits_with_the_reason_and_is_taken_when_it_can_be_read(
    folder: Folder, disk: Disk, number: int
) -> None:
    disk.broken["a.png"] = number
    (folder.root / "a.png").write_bytes(b"a")
    (folder.root / "b.png").write_bytes(b"b")
    folder.settle()
    assert folder.files() == {"b.png": b"b"}, "it holds nobody up"
    assert folder.states()["a.png"] == ("settling", f"cannot be read: {os.strerror(number)}")
    assert folder.intake.unreadable == 1
    del disk.broken["a.png"]
    folder.step(FIRST_RETRY_S * 1.2)
    folder.settle()
    assert folder.files() == {"a.png": b"a", "b.png": b"b"}
    assert folder.states()["a.png"] == ("queued", "")
    assert folder.intake.unreadable == 0


def test_it_is_tried_ever_more_rarely_and_told_once(folder: Folder, disk: Disk) -> None:
    disk.broken["a.png"] = errno.EIO
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    until = folder.now + 3600
    while folder.now < until:
        folder.step(2.0)
    assert 7 <= len(disk.opened) <= 11  # 5 s, 10 s, ... make ten in an hour
    events = folder.store.db.execute("SELECT message FROM event WHERE level = 'warning'").fetchall()
    assert events == [("input/a.png cannot be read: Input/output error",)]
    assert folder.intake.is_calm


def test_a_recorded_content_stays_while_the_file_cannot_be_read(folder: Folder, disk: Disk) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    disk.broken["a.png"] = errno.EIO
    (folder.root / "a.png").write_bytes(b"other")
    folder.settle()
    assert folder.files() == {"a.png": b"a"}
    disk.broken.clear()
    folder.step(FIRST_RETRY_S * 1.2)
    folder.settle()
    assert folder.files() == {"a.png": b"other"}


def test_a_changed_permission_or_a_retry_is_tried_at_once(folder: Folder, disk: Disk) -> None:
    disk.broken["a.png"] = errno.EACCES
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    for _ in range(100):
        folder.step(60)
    tries = len(disk.opened)
    (folder.root / "a.png").chmod(0o600)
    folder.settle()
    assert len(disk.opened) == tries + 1
    folder.store.working.retry(folder.intake.repo_id, ["a.png"], "c")
    folder.intake.reload()
    folder.settle()
    assert len(disk.opened) == tries + 2


def test_a_read_that_fails_half_way_is_told_from_a_full_store(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_store: ObjectStore, _fd: int) -> StoredObject:
        raise SourceError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "take", fail)
        (folder.root / "a.png").write_bytes(b"a")
        folder.settle()
    assert folder.states()["a.png"] == ("settling", "cannot be read: Input/output error")


def test_what_a_scan_cannot_look_at_waits_for_the_next(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "a.png").write_bytes(b"a")
    folder.settle()
    real = scan._list

    def fail(root: Path, fd: int, parts: tuple[str, ...], found: scan.ScanResult) -> object:
        if parts == ("sub",):
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(root, fd, parts, found)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "_list", fail)
        folder.settle()
        assert folder.states() == {
            "sub": ("settling", "cannot be read: Stale file handle"),
            "sub/a.png": ("queued", ""),
        }
        assert folder.intake.is_calm
    folder.settle()
    assert folder.states() == {"sub/a.png": ("queued", "")}
    assert folder.commits() == ["+1 file"]


def test_a_root_that_goes_while_its_files_are_read_refuses_none(folder: Folder) -> None:
    for number in range(3):
        (folder.root / f"{number}.png").write_bytes(b"%d" % number)
    folder.step()
    folder.root.rename(folder.root.with_name("away"))
    folder.intake._next_arm_at = folder.now + 1000  # nobody has looked at the root since
    folder.now += SETTLE_S + 0.1
    folder.intake.step(folder.now)
    assert folder.intake.held
    assert {state for state, _ in folder.states().values()} == {"settling"}
    folder.root.with_name("away").rename(folder.root)
    folder.settle()
    assert len(folder.files()) == 3


def test_a_recorded_file_that_became_a_pipe_leaves_the_head(folder: Folder) -> None:
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    (folder.root / "a.png").unlink()
    os.mkfifo(folder.root / "a.png")
    folder.settle()
    assert folder.files() == {}
    assert folder.commits() == ["+1 file", "-1 file"]
    assert folder.states() == {"a.png": ("rejected", "a named pipe, not a file")}
    (folder.root / "a.png").unlink()
    (folder.root / "a.png").write_bytes(b"a")
    folder.settle()
    assert folder.files() == {"a.png": b"a"}


def test_the_wait_doubles_up_to_an_hour() -> None:
    waiting = Unreadable()
    now, waits = 0.0, []
    for _ in range(14):
        wait_s, is_first = waiting.failed("a", STAMP, now)
        assert is_first == (now == 0)
        assert waiting.is_waiting("a", STAMP)
        assert not waiting.is_waiting("a", stamps.FileStamp(1, 1, 2, 1, 1))
        assert waiting.due(now + wait_s - 0.01) == []
        now += wait_s
        assert waiting.next_at() == pytest.approx(now)
        assert waiting.due(now + 0.01) == [("a", STAMP)]
        assert waiting.due(now + 0.01) == [], "handed out once"
        now += 0.01
        waits.append(wait_s)
    for number, wait_s in enumerate(waits):
        assert wait_s == pytest.approx(min(FIRST_RETRY_S * 2**number, LONGEST_RETRY_S), rel=0.21)
