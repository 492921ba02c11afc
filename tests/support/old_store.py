"""A store that an older commit's code makes, its answers, and what a later code says of it.

The store has two pipelines and of each thing that a version of pixd must keep to: several models,
one that is pinned by a rollback, a training image and an input that were recalled, and files that
were refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from tests.support.tiny import pair, picture

ROOT = Path(__file__).parents[2]
COMMIT = "6279b39"  # the last one before the modules were moved
FIXTURE = ROOT / "tests" / "fixtures" / "old_store.tar.xz"
FOLDER, RECORDED = "pixd", "answers.json"  # in the fixture: the folders, what the old code said
TIMEOUT_S = 840

CONFIG = """\
store: ./store
device: cpu
pipelines:
  one:
    training: ./one/training
    input: ./one/input
    output: ./one/output
    image_size: 32
    settle_seconds: 0.3
    train:
      {{quiet_seconds: 0.5, steps: {steps}, ngf: 1, ndf: 1, validation: 0.2, promote: if-better}}
  two:
    training: ./two/training
    input: ./two/input
    output: ./two/output
    image_size: 32
    settle_seconds: 0.3
    train: {{quiet_seconds: 0.5, steps: 4, ngf: 1, ndf: 1, validation: 0.2, promote: if-better}}
"""

QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("verify",),
    ("plan",),
    *(("plan", "-p", name) for name in ("one", "two")),
    *(
        ("log", repo, "-p", name, "-n", "100")
        for name in ("one", "two")
        for repo in ("training", "input", "model", "output")
    ),
    ("trace", "one/output/in-000.png"),
    ("trace", "one/output/in-001.png"),
    ("trace", "two/output/in-005.png"),
    ("trace", "one/training/000.png"),
    ("trace", "one/training/012.png"),  # recalled
    ("trace", "one/input/in-002.png"),  # recalled
    ("trace", "two/training/004.png"),
    ("why", "one/output/in-000.png"),
    ("why", "one/input/in-000.png"),
    ("why", "one/input/in-002.png"),
    ("why", "one/input/broken.png"),
    ("why", "one/training/000.png"),
    ("why", "one/training/012.png"),
    ("why", "two/training/broken.png"),
    ("why", "two/output/in-005.png"),
)
"""All but `why run@N`, which is asked of every run that there is."""

LOOKED_AT_AGAIN = "a recalled file is refused anew where it has another inode, as in any copy"

RUNNING = """
import runpy, sys
STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec")
def note(event, args):
    if event in STARTS or (event == "import" and args[0] == "tensorflow"):
        with open("started", "a") as log:
            print(event, args, file=log)
sys.addaudithook(note)
sys.argv = ["pixd", "run", "--once"]
runpy.run_module("pixd", run_name="__main__")
"""
"""Does `pixd run --once` and notes each child that it starts, and TensorFlow, in `started`."""

ASKING = """
import contextlib, io, json, runpy, sys
answers = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["pixd", *words, "--json"]
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_module("pixd", run_name="__main__")
        except SystemExit as end:
            code = end.code
    answers[" ".join(words)] = code, said.getvalue()
print(json.dumps(answers))
"""
"""Answers many questions as `python -m pixd` does, in one process: each start takes its time."""

OF_THE_MOMENT = {
    ("status", "disk_free_bytes"): "the disk's, not the store's",
    ("status", "store_gone"): "new: the older code says nothing of it",
    ("status", "store_bytes"): "a migration of the later code adds pages to the database",
    ("status", "last_seen"): "when a service ran last: the later code has run",
    ("why one/input/in-002.png", "change_id"): LOOKED_AT_AGAIN,
    ("why one/training/012.png", "change_id"): LOOKED_AT_AGAIN,
}
"""What differs between two looks at the same store by the same code: question, field, reason."""


class Code:
    """The `pixd` of one tree of sources, run by the Python of the tests."""

    def __init__(self, source: Path) -> None:
        self.environment = {**os.environ, "PYTHONPATH": str(source)}

    def pixd(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return self.python(folder, "-m", "pixd", *words)

    def python(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def done(self, folder: Path, *words: str) -> None:
        """Run a command that has to succeed."""
        done = self.pixd(folder, *words)
        if done.returncode:
            raise AssertionError(f"pixd {' '.join(words)}: {done.stderr}")

    def answers(self, folder: Path) -> dict[str, Any]:
        """Return what each question is answered with, by its words."""
        done = self.python(folder, "-c", ASKING, json.dumps(questions(folder)))
        if done.returncode:
            raise AssertionError(done.stderr)
        return {
            words: {"code": code, "said": json.loads(said.replace(str(folder), "FOLDER") or "null")}
            for words, (code, said) in json.loads(done.stdout).items()
        }


def questions(folder: Path) -> list[tuple[str, ...]]:
    return [*QUESTIONS, *(("why", f"run@{run}") for run, *_ in rows(folder, "SELECT id FROM run"))]


def lasting(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers without the fields that are of the moment."""
    return {
        words: {
            "code": answer["code"],
            "said": {
                field: value
                for field, value in answer["said"].items()
                if (words, field) not in OF_THE_MOMENT
            }
            if isinstance(answer["said"], dict)
            else answer["said"],
        }
        for words, answer in answers.items()
    }


NEW_COLUMNS = {"early_of"}
"""What a migration adds to a table that an older store has."""


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{folder}/store/lineage.db?mode=ro", uri=True)
    with contextlib.closing(db):
        return db.execute(sql).fetchall()


def records(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what the store holds of runs, models, what is live, commits and outputs."""
    found = {}
    for table in ("run", "run_input", "recipe", "model", "commit", "commit_change", "output"):
        columns = [row[1] for row in rows(folder, f'PRAGMA table_info("{table}")')]
        named = ", ".join(f'"{one}"' for one in columns if one not in NEW_COLUMNS)
        found[table] = rows(folder, f'SELECT {named} FROM "{table}" ORDER BY 1, 2')  # noqa: S608 - fixed names
    return found


def outputs(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return of each output file its inode, the time it was written, and its bytes."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for name in ("one", "two")
        for path in sorted((folder / name / "output").rglob("*"))
        if path.is_file()
    }


def has_commit(commit: str = COMMIT) -> bool:
    """Say whether the sources are a repository that has an old commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "cat-file", "-e", f"{commit}^{{commit}}"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # no git
        return False
    return done.returncode == 0


def old_code(folder: Path, commit: str = COMMIT) -> Code:
    """Write the sources of an old commit into `folder`."""
    folder.mkdir()
    archive = folder / "source.tar"
    subprocess.run(
        ["git", "-C", str(ROOT), "archive", "-o", str(archive), commit, "pixd"], check=True
    )
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    return Code(folder)


def make(folder: Path, code: Code) -> None:
    """Make the store: four trainings, one of them again without an image that was recalled."""
    for name in ("one", "two"):
        for below in ("training", "input", "output"):
            (folder / name / below).mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.format(steps=4))
    _add_pairs(folder / "one", range(12))
    _add_pairs(folder / "two", range(4, 12))
    for name, numbers in (("one", range(3)), ("two", range(5, 7))):
        for number in numbers:
            picture(number).save(folder / name / "input" / f"in-{number:03d}.png")
    (folder / "one" / "input" / "broken.png").write_bytes(b"no picture")
    (folder / "two" / "training" / "broken.png").write_bytes(b"no pair")
    code.done(folder, "run", "--once")
    _add_pairs(folder / "one", range(13))
    (folder / "config.yaml").write_text(CONFIG.format(steps=6))
    code.done(folder, "run", "--once")
    code.done(folder, "recall", "one/training/012.png", "--yes", "-p", "one")
    code.done(folder, "recall", "one/input/in-002.png", "--yes", "-p", "one")
    code.done(folder, "run", "--once")
    code.done(folder, "promote", "model@1", "-p", "one")
    code.done(folder, "run", "--once")


def _add_pairs(folder: Path, numbers: range) -> None:
    for number in numbers:
        path = folder / "training" / f"{number:03d}.png"
        if not path.exists():  # one that is written again would be looked at again
            pair(number).save(path)
