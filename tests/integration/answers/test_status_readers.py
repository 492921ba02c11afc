"""`pixd status` for one who may only read, in every state of the store, and light."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.store import connection
from pixd.store.opening import open_store
from tests.support.loaded import loaded_by
from tests.support.tiny import Tiny

NOBODY = pwd.getpwnam("nobody").pw_uid
HEAVY = ("tensorflow", "keras", "numpy", "PIL", "sqlite_utils", "watchdog", "rich", "hashlib")


# Python itself often lies where only its owner may go: all is imported before the privileges
# are dropped, by a rehearsal where there is no store.
AS_NOBODY = """
import contextlib, datetime, io, os, sys, tempfile
from pixd.cli import main, naming
from pixd.cli.commands import log, retry, status
uid, *words = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as empty:
    main.main(["init", empty])
    main.main(["--config", empty + "/config.yaml", "status"])
os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))
sys.exit(main.main(words))
"""


class Reader:
    """A user who may read the store and write nowhere."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny

    def pixd(self, *words: str) -> subprocess.CompletedProcess[str]:
        config = str(self.tiny.folder / "config.yaml")
        return subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(NOBODY), "--config", config, *words],
            cwd=self.tiny.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        done = self.pixd("status", "--json")
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def reader() -> Iterator[Reader]:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for one user alone
        folder = Path(name)
        folder.chmod(0o755)
        tiny = Tiny(folder / "tiny")
        yield Reader(tiny)
        if tiny.service:
            tiny.stop(signal.SIGKILL)


def test_a_reader_sees_every_state_of_the_store(reader: Reader) -> None:
    tiny = reader.tiny
    assert reader.status()["last_seen"] is None  # never run

    (tiny.folder / "input" / "a.png").write_bytes(b"waits for a model")
    tiny.start()
    tiny.until(lambda part: part["input"]["queued"] == 1, 30)
    told = reader.status()
    assert (told["state"], told["source"]) == ("ok", "service")
    assert told["pid"] == tiny.service.pid if tiny.service else 0
    assert told["pipelines"]["tiny"]["input"]["queued"] == 1

    tiny.stop(signal.SIGKILL)
    assert (tiny.folder / "store" / "lineage.db-wal").stat().st_size > 0
    told = reader.status()
    assert (told["state"], told["was_stopped"]) == ("not-running", False)
    assert told["pipelines"]["tiny"]["input"]["queued"] == 1  # from the log that was left

    tiny.start()
    assert tiny.stop() == 0
    assert not (tiny.folder / "store" / "lineage.db-wal").exists()
    told = reader.status()
    assert (told["state"], told["was_stopped"]) == ("not-running", True)
    assert told["pipelines"]["tiny"]["input"]["queued"] == 1


def test_a_reader_changes_nothing_and_is_told_how_to(reader: Reader) -> None:
    reader.tiny.start()
    before = sorted((reader.tiny.folder / "store").rglob("*"))
    done = reader.pixd("retry")
    assert done.returncode == 1
    assert "you may not change what the service does" in done.stderr
    assert "join its group" in done.stderr
    assert sorted((reader.tiny.folder / "store").rglob("*")) == before


def test_one_who_may_not_read_is_told_so_and_not_that_nothing_runs(reader: Reader) -> None:
    store = open_store(reader.tiny.folder / "store")
    store.folder.chmod(0o700)
    done = reader.pixd("status")
    assert done.returncode == 4
    assert "you may not read the store" in done.stderr
    assert "sudo -u" in done.stderr
    store.folder.chmod(0o755)
    (store.folder / connection.DATABASE).chmod(0o600)
    assert reader.pixd("status").returncode == 4
    assert reader.pixd("log").returncode == 4
    store.close()


def test_a_log_that_one_may_not_index_is_not_passed_over(reader: Reader) -> None:
    store = open_store(reader.tiny.folder / "original")
    store.note("tiny", "error", "x", "in the log alone")
    without_index = shutil.ignore_patterns("*-shm")  # as a copy by hand may be
    shutil.copytree(store.folder, reader.tiny.folder / "store", ignore=without_index)
    store.close()
    done = reader.pixd("status")
    assert done.returncode == 4
    assert "cannot be read" in done.stderr
    assert "in the log alone" in reader.tiny.pixd("status").stdout  # for one who may write


def test_status_imports_nothing_heavy(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path / "tiny")
    (tiny.folder / "input" / "a.png").write_bytes(b"waits for a model")
    tiny.once()
    told, loaded = loaded_by(["status"], HEAVY, tiny.folder)
    assert told.startswith("NOT RUNNING")
    assert loaded == "[]"
