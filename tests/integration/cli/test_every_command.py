"""No traceback reaches a person: every command, under what goes wrong on people's machines."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.cli import arguments, main, streams
from pixd.store.opening import open_store
from pixd.system import errors
from tests.support import every_command
from tests.support.commits import record

CONFIG = """\
store: ./store
pipelines:
  p: {training: ./training, input: ./input, output: ./output, image_size: 32}
"""
SANE = {*errors.EXIT_MEANINGS, 128 + 2}


@pytest.fixture
def world() -> Iterator[Path]:
    """Give a store with an input of an awkward name, where any user may go."""
    folder = Path(tempfile.mkdtemp(prefix="pixd-every-"))
    folder.chmod(0o755)
    (folder / "config.yaml").write_text(CONFIG)
    for kind in ("training", "input", "output"):
        (folder / kind).mkdir()
    (folder / "input" / every_command.NAME).write_bytes(b"no image")
    store = open_store(folder / "store")
    record(store, store.history.repo_id("p", "input"), {every_command.NAME: b"no image"}, [])
    store.note("p", "warning", "rejected", f"{every_command.NAME}: no image")
    store.close()
    yield folder
    shutil.rmtree(folder)


def gone(world: Path) -> None:
    shutil.rmtree(world / "store")
    (world / "store").write_text("a file in its place")


def newer(world: Path) -> None:
    db = sqlite3.connect(world / "store" / "lineage.db")
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('pixd', 'm999_next_year', '2099')"
    )
    db.commit()
    db.close()


def damaged(world: Path) -> None:
    (world / "store" / "lineage.db").write_bytes(b"no database" * 1000)


def unreadable_config(world: Path) -> None:
    (world / "config.yaml").chmod(0o600)


def as_it_is(world: Path) -> None:
    del world


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "all is well": (as_it_is, "nothing"),
    "another user without rights": (as_it_is, "no rights"),
    "another user who may not read the configuration": (unreadable_config, "no rights"),
    "a terminal that lacks letters": (as_it_is, "latin-1"),
    "closed standard output": (as_it_is, "closed"),
    "standard output on a full disk": (as_it_is, "full"),
    "nobody reads standard output": (as_it_is, "no reader"),
    "the store is gone": (gone, "nothing"),
    "the store is of a newer version": (newer, "nothing"),
    "the database is damaged": (damaged, "nothing"),
}


@pytest.mark.parametrize("case", CASES)
def test_no_command_shows_a_traceback(case: str, world: Path) -> None:
    change, condition = CASES[case]
    if condition == "no rights" and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    change(world)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.every_command", str(world), condition],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) > 25
    wrong = [
        one
        for one in told
        if one["code"] not in SANE
        or "Traceback" in one["err"]
        or "an error in pixd itself" in one["err"]
        or "Exception ignored" in one["err"]
    ]
    assert wrong == []


def test_every_command_is_run_or_left_out_with_a_reason() -> None:
    run = {" ".join(words) for words in every_command.commands()}
    names = {words.split()[0] for words in run}
    assert names | set(every_command.LEFT_OUT) == set(arguments.parser().commands)
    assert "service print" in run


def test_a_letter_that_the_terminal_lacks_is_spelled(world: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pixd", "why", f"input/{every_command.NAME}"],
        cwd=world, capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\\u65e5\\u672c-Grün".encode("latin-1") in done.stdout


def test_a_bug_is_told_in_two_lines_and_in_full_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_args: object) -> int:
        raise KeyError("such a key")

    monkeypatch.setattr("pixd.cli.commands.man.run", fail)
    assert main.main(["man"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 2
    assert "an error in pixd itself: KeyError: 'such a key'" in told
    monkeypatch.setenv("PIXD_DEBUG", "1")
    assert main.main(["man"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_in_the_c_locale_bytes_stay_bytes_and_letters_are_spelled() -> None:
    told = os.fsdecode("Grün".encode("latin-1")) + " 日"
    assert told.encode("ascii", streams.RAW_OR_SPELLED) == b"Gr\xfcn \\u65e5"
