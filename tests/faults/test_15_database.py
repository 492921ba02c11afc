"""Fault 15: the database is damaged, gone, locked, older or newer. pixd refuses, or recovers.

It never guesses: what it refuses it leaves as it was, and it never makes a fresh database beside
the objects of a lost one.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.stubbed import Stubbed

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pipeline whose service was killed, so that the newest rows are in the -wal."""
    tiny = Stubbed(tmp_path_factory.mktemp("worked") / "tiny")
    for number in range(3):
        tiny.drop_pair(number)
    tiny.drop_input(0)
    assert tiny.run("run", "--once") == 0, tiny.log()
    tiny.drop_input(1)
    tiny.spawn()
    tiny.until(lambda part: part["input"]["translated"] == 2)
    heights = tiny.ask("SELECT max(id) FROM event")
    tiny.until(lambda _: f'"event": {heights[0][0]}' in live(tiny))  # the heartbeat has seen it
    tiny.stop(signal.SIGKILL)
    assert (tiny.folder / "store" / "lineage.db-wal").stat().st_size > 0
    return tiny.folder


def live(tiny: Stubbed) -> str:
    return (tiny.folder / "store" / "service.json").read_text()


def copy_of(folder: Path, target: Path) -> Stubbed:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("control.sock"))
    tiny = Stubbed.__new__(Stubbed)
    tiny.folder, tiny.service = target, None
    return tiny


def checkpointed(store: Path) -> Path:
    """Bring everything from the -wal into the file, and return the file."""
    sqlite3.connect(store / "lineage.db").execute(
        "PRAGMA wal_checkpoint(TRUNCATE)"
    ).connection.close()
    assert not (store / "lineage.db-wal").exists()
    return store / "lineage.db"


def truncate(store: Path) -> None:
    path = checkpointed(store)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(store: Path) -> None:
    checkpointed(store).write_bytes(b"")


def zero(store: Path) -> None:
    path = checkpointed(store)
    path.write_bytes(bytes(path.stat().st_size))


def zero_a_page(store: Path) -> None:
    path = checkpointed(store)
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)


def remove(store: Path) -> None:
    checkpointed(store).unlink()


def remove_all_but_wal(store: Path) -> None:
    (store / "lineage.db").unlink()
    shutil.rmtree(store / "objects")


def lose_wal(store: Path) -> None:
    (store / "lineage.db-wal").unlink()


def make_newer(store: Path) -> None:
    db = sqlite3.connect(store / "lineage.db")
    db.execute("INSERT INTO _sqlite_migrations VALUES (99, 'pixd', 'm099_unknown', '2030')")
    db.commit()
    db.close()


REFUSED: dict[str, tuple[Damage, str]] = {
    "truncated": (truncate, "damaged"),
    "empty": (empty, "damaged"),
    "zeroed": (zero, "backup"),
    "a page zeroed": (zero_a_page, "damaged"),
    "gone": (remove, "the database was lost"),
    "gone but the -wal": (remove_all_but_wal, "the database was lost"),
    "-wal lost": (lose_wal, "is older than the store"),
    "newer schema": (make_newer, "newer pixd"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_damaged_database_is_refused_with_advice_and_left_alone(
    worked: Path, tmp_path: Path, what: str
) -> None:
    damage, says = REFUSED[what]
    tiny = copy_of(worked, tmp_path / "tiny")
    damage(tiny.folder / "store")
    database = tiny.folder / "store" / "lineage.db"
    before = database.read_bytes() if database.exists() else None
    outputs = tiny.outputs()
    done = tiny.pixd("run", "--once")
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert "try:" in done.stderr
    assert "Traceback" not in done.stderr
    assert (database.read_bytes() if database.exists() else None) == before
    assert tiny.outputs() == outputs
    asked = tiny.pixd("status")
    assert "Traceback" not in asked.stderr
    if what not in {"-wal lost", "a page zeroed"}:  # a reader that can tell may tell
        assert asked.returncode == 4, asked.stdout


def test_the_older_state_is_taken_when_the_person_says_so(worked: Path, tmp_path: Path) -> None:
    tiny = copy_of(worked, tmp_path / "tiny")
    lose_wal(tiny.folder / "store")
    (tiny.folder / "store" / "service.json").unlink()  # as the advice says
    assert tiny.run("run", "--once") == 0, tiny.log()
    assert tiny.blemishes() == []


def flip(folder: Path, target: Path, seed: int) -> str:
    """Flip one bit and run; return "refused" or "ran", and fail at anything in between."""
    chance = random.Random(seed)
    tiny = copy_of(folder, target)
    path = checkpointed(tiny.folder / "store")
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    outputs = tiny.outputs()
    done = tiny.pixd("run", "--once")
    assert "Traceback" not in done.stderr, f"seed {seed}, byte {at}: {done.stderr}"
    assert tiny.outputs() == outputs, f"seed {seed}, byte {at}"
    if done.returncode == 0:
        return "ran"
    assert "try:" in done.stderr or "failed" in done.stderr, done.stderr
    return "refused"


@pytest.mark.timeout(600)
def test_a_flipped_bit_is_refused_or_does_no_harm(
    worked: Path, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    flips = 100 if is_full_size else 4
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(flip, worked, tmp_path / str(n), n) for n in range(flips)]
        seen = [result.result() for result in results]
    refused = seen.count("refused")
    figure(
        15,
        "database truncated, zeroed, gone, -wal lost, newer, bits flipped",
        pixd=f"{len(REFUSED)} damages refused with advice; of {flips} flipped bits {refused}"
        f" refused, {flips - refused} did no harm; outputs intact",
        bar="refuses clearly or recovers",
    )


LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked(tiny: Stubbed, how: str) -> Iterator[None]:
    """Have another program keep the database locked."""
    database = str(tiny.folder / "store" / "lineage.db")
    command = [sys.executable, "-c", LOCKER, database, how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as locker:
        assert locker.stdout
        assert locker.stdout.readline() == b"locked\n"
        yield
        # Leaving closes its standard input, which ends it.


def wait_for_state(tiny: Stubbed, state: str, within_s: float) -> dict[str, Any]:
    ends_at = time.monotonic() + within_s
    while True:
        status = tiny.status()
        if status["state"] == state:
            return status
        assert time.monotonic() < ends_at, (status["state"], status["reasons"], tiny.log())
        time.sleep(0.2)


@pytest.mark.timeout(300)
def test_a_database_locked_by_another_program_blocks_and_goes_on(
    worked: Path, tmp_path: Path, figure: Figure, *, is_full_size: bool
) -> None:
    locked_s = 60.0 if is_full_size else 0.0
    tiny = copy_of(worked, tmp_path / "tiny")
    service = tiny.spawn()
    tiny.until(lambda _: f'"pid": {service.pid}' in live(tiny))
    with locked(tiny, "BEGIN IMMEDIATE"):
        began = time.monotonic()
        tiny.drop_input(5)
        reasons = wait_for_state(tiny, "blocked", 60)["reasons"]
        time.sleep(max(0.0, began + locked_s - time.monotonic()))
    assert "another program keeps the database locked" in str(reasons)
    began = time.monotonic()
    tiny.until(lambda part: part["input"]["translated"] == 3, 60)
    went_on_s = time.monotonic() - began
    wait_for_state(tiny, "ok", 60)
    assert tiny.stop() == 0
    assert tiny.blemishes() == []
    figure(
        15.1,
        f"database locked by another program for {locked_s or 6:.0f} s",
        pixd=f"BLOCKED shown, went on {went_on_s:.0f} s after",
        bar="recovers by itself within 60 s",
        met=went_on_s < 60,
    )


def test_a_store_that_is_locked_at_the_start_is_refused_by_its_reason(
    worked: Path, tmp_path: Path
) -> None:
    tiny = copy_of(worked, tmp_path / "tiny")
    with locked(tiny, "BEGIN EXCLUSIVE"):
        done = tiny.pixd("run", "--once")
    assert done.returncode == 1
    assert "locked" in done.stderr
    assert "backup" not in done.stderr  # nothing is damaged
