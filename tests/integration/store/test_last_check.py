"""The database is checked as a whole, unless it is the one that a service closed in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.store import connection, last_check, writer
from pixd.store.opening import open_store
from pixd.system.errors import StoreError

DATABASE = connection.DATABASE


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what SQLite was asked to work on for long."""
    found: list[str] = []

    @contextlib.contextmanager
    def noted(_connection: sqlite3.Connection, what: str) -> Iterator[None]:
        found.append(what)
        yield

    monkeypatch.setattr(writer, "_extending_start", noted)
    return found


@pytest.fixture
def closed(tmp_path: Path, checks: list[str]) -> Path:
    """Return a store that a service closed in order, after it had been checked."""
    open_store(tmp_path).close()
    open_store(tmp_path).close_whole()
    checks.clear()
    return tmp_path


def start_and_end(folder: Path) -> None:
    store = open_store(folder)
    with store.transaction():
        store.note("", "info", "test", "written")
    store.close_whole()


def test_a_database_that_was_closed_in_order_is_not_checked_again(
    closed: Path, checks: list[str]
) -> None:
    for _ in range(3):
        start_and_end(closed)
    assert not checks


def test_so_it_is_where_the_page_reads_meanwhile(closed: Path, checks: list[str]) -> None:
    with contextlib.closing(connection.open_reader(closed)) as reader:
        reader.execute("SELECT count(*) FROM event").fetchone()
        start_and_end(closed)
        start_and_end(closed)
    start_and_end(closed)
    assert not checks


def killed(folder: Path) -> None:
    store = open_store(folder)
    with store.transaction():
        store.note("", "info", "test", "written")
    os._exit(0)  # the log is left beside


def test_after_a_crash_it_is_checked(closed: Path, checks: list[str]) -> None:
    child = os.fork()
    if child == 0:
        killed(closed)
    os.waitpid(child, 0)
    assert (closed / f"{DATABASE}-wal").stat().st_size > 0
    start_and_end(closed)
    assert checks == ["checking the store"]


def changed_by_another_program(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as db, db:
        db.execute("CREATE TABLE mine (x)")


def changed_and_dated_back(folder: Path) -> None:
    path = folder / DATABASE
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[63] ^= 1  # of user_version, which pixd does not use
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced_by_a_copy(folder: Path) -> None:
    shutil.copy2(folder / DATABASE, folder / "copy")
    (folder / "copy").replace(folder / DATABASE)


def opened_by_a_command(folder: Path) -> None:
    store = open_store(folder)
    with store.transaction():
        store.note("", "info", "test", "written")
    store.close()


def without_the_note(folder: Path) -> None:
    (folder / last_check.NOTE).unlink()


def with_rubbish_in_the_note(folder: Path) -> None:
    (folder / last_check.NOTE).write_text('{"at": "once"}')


@pytest.mark.parametrize(
    "change",
    [
        *(changed_by_another_program, changed_and_dated_back, replaced_by_a_copy),
        *(opened_by_a_command, without_the_note, with_rubbish_in_the_note),
    ],
)
def test_it_is_checked_where_it_is_not_what_was_closed(
    closed: Path, checks: list[str], change: Callable[[Path], None]
) -> None:
    change(closed)
    checks.clear()
    start_and_end(closed)
    assert checks == ["checking the store"]
    start_and_end(closed)
    assert checks == ["checking the store"]


def test_it_is_checked_once_a_week_and_where_the_clock_went_back(closed: Path) -> None:
    now = time.time()
    assert last_check.still_holds(closed, now)
    assert not last_check.still_holds(closed, now + last_check.CHECK_EVERY_S)
    assert not last_check.still_holds(closed, now - 3600)


def test_a_page_that_was_damaged_after_the_end_is_found_at_the_start(closed: Path) -> None:
    path = closed / DATABASE
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 & ~0xFFF)
        file.write(bytes(4096))
    with pytest.raises(StoreError, match="is damaged"):
        open_store(closed)
