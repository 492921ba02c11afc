"""Disks: which errors are theirs and not ours, how much room is asked for, how long to wait."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from pixd.system import disk
from pixd.system.errors import DiskError, PixdError


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EINTR]
)
def test_what_a_disk_refuses_is_told_with_its_place(number: int) -> None:
    error = OSError(number, os.strerror(number), "/srv/store/x")
    assert disk.refusal(error) == f"/srv/store/x: {os.strerror(number)}"


@pytest.mark.parametrize(
    ("why", "told", "not_told"),
    [
        (
            "the disk of /srv/output is full: 3.1 MB free, and 64.2 MB needed",
            "empty-trash",
            "dmesg",
        ),
        (f"/srv/o/x.png: {os.strerror(errno.ENOSPC)}", "pixd gc --empty-trash", "dmesg"),
        ("lineage.db: the disk is full (database or disk is full)", "empty-trash", "dmesg"),
        ("lineage.db: the disk reports an error, or is full (disk I/O error)", "dmesg", "mount"),
        ("the disk of /srv/output is read-only", "mount the disk for writing", "gc"),
        (f"/srv/o/x.png: {os.strerror(errno.EROFS)}", "mount the disk for writing", "gc"),
        (f"/srv/o: {os.strerror(errno.ENOENT)}", "that the folder is there", "gc"),
        (f"/srv/o/x.png: {os.strerror(errno.EIO)}", "dmesg", "gc"),
        (
            "lineage.db: another program keeps the database locked (database is locked)",
            "end the program",
            "dmesg",
        ),
        ("lineage.db: there is not enough memory (out of memory)", "swap", "dmesg"),
        (os.strerror(errno.EMFILE), "ulimit -n", "dmesg"),
    ],
)
def test_what_to_do_fits_to_the_reason(why: str, told: str, not_told: str) -> None:
    found = disk.advice_for(why)
    assert told in found
    assert not_told not in found


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "gone"),
        IsADirectoryError(errno.EISDIR, "a folder"),
        ValueError("a bug"),
        PixdError("something else"),
        sqlite3.IntegrityError("UNIQUE constraint failed"),
        sqlite3.ProgrammingError("wrong number of bindings"),
    ],
)
def test_a_bug_is_not_the_disks_fault(error: Exception) -> None:
    assert disk.refusal(error) == ""
    assert disk.damage(error) == ""


def test_a_full_and_a_locked_database_are_refusals(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)
    db.execute("CREATE TABLE t (x)")
    db.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.Error) as full:
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert "the disk is full" in disk.refusal(full.value)
    other = sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.Error) as busy:
        db.execute("INSERT INTO t VALUES (1)")
    assert "locked" in disk.refusal(busy.value)
    other.close()
    db.close()


def test_a_damaged_database_is_no_refusal_that_passes(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"no database at all" * 100)
    db = sqlite3.connect(tmp_path / "db")
    with pytest.raises(sqlite3.Error) as damaged:
        db.execute("SELECT 1 FROM sqlite_master")
    db.close()
    assert disk.damage(damaged.value)
    assert disk.refusal(damaged.value) == ""


def test_an_error_that_was_told_before_keeps_its_words() -> None:
    assert disk.refusal(DiskError("cannot save a checkpoint")) == "cannot save a checkpoint"


def test_room_is_what_work_needs_and_what_stays_free(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    free_bytes = found.f_bavail * found.f_frsize
    assert disk.free_bytes(tmp_path) > 0
    assert disk.shortage(tmp_path, 1, 1) == ""
    for needed_bytes, keep_free_bytes in ((2 * free_bytes, 0), (0, 2 * free_bytes)):
        assert "keep.free_bytes" in disk.shortage(tmp_path, needed_bytes, keep_free_bytes)
    assert disk.shortage(tmp_path / "gone", 1, 1)
    with pytest.raises(FileNotFoundError):
        disk.free_bytes(tmp_path / "gone")


def test_a_blocked_part_waits_twice_as_long_each_time_up_to_half_a_minute() -> None:
    blockage = disk.Blockage()
    assert blockage.add("full", 100.0)
    assert (blockage.retry_at, bool(blockage)) == (101.0, True)
    assert not blockage.add("full", 100.5)
    assert blockage.retry_at == 101.0, "what is refused at the same time waits no longer"
    now = 101.0
    waits = []
    for _ in range(7):
        blockage.add("full", now)
        waits.append(blockage.retry_at - now)
        now = blockage.retry_at
    assert waits == [2, 4, 8, 16, 30, 30, 30]
    blockage.clear()
    assert not blockage
    blockage.add("again", now)
    assert blockage.retry_at == now + 1
