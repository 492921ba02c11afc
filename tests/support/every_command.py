"""Run every command of pixd under one condition, each in a fork of this process: quick, and alone.

``python -m tests.support.every_command FOLDER CONDITION`` prints one JSON object a command. The
list comes from the parser's table, so a new command is among them by itself.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pwd
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pixd
from pixd.cli import arguments, main
from pixd.cli.parser import CommandParser

NAME = "日本-Grün-😀.png"
WITHIN_S = 60
LEFT_OUT = {
    "demo": "trains",
}
WORDS: dict[str, list[str]] = {
    "run": ["--once"],
    "wait": ["--timeout", "0.1"],
    "doctor": ["--no-model"],
    "log": ["input"],
    "show": ["input@1"],
    "diff": ["input@1", "input@1"],
    "trace": [f"input/{NAME}"],
    "why": [f"input/{NAME}"],
    "promote": ["model@1"],
    "recall": [f"input/{NAME}", "--yes"],
    "restore": ["input@1", "--yes"],
    "translate": [f"input/{NAME}"],
    "export": ["live", "exported"],
    "gc": ["--apply"],
    "init": ["another"],
    "web": ["--link"],
    "cluster": ["token", "ray-token"],
    "service": ["print"],  # the others would change this machine
}
"""What a command is run with so that it gets far. Others get what they cannot do without."""


def commands(top: CommandParser | None = None, before: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Yield a command line of each command."""
    for name, command in (top or arguments.parser()).commands.items():
        here = (*before, name)
        if command.commands:
            yield from commands(command, here)
        elif " ".join(here) not in LEFT_OUT:
            needed = [
                str(action.choices[0]) if isinstance(action.choices, list) else f"input/{NAME}"
                for action in command.positionals
                if action.nargs not in {"?", "*"}
            ]
            yield [*here, *WORDS.get(" ".join(here), needed)]


# -- conditions ------------------------------------------------------------------------------------


def nothing() -> None:
    """Everything is as it should be."""


def no_rights() -> None:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def latin_1() -> None:
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="latin-1")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), encoding="latin-1")


def closed() -> None:
    os.close(1)
    sys.stdout = None  # as Python does it


def full() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def no_reader() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")


CONDITIONS: dict[str, Callable[[], None]] = {
    "nothing": nothing,
    "no rights": no_rights,
    "latin-1": latin_1,
    "closed": closed,
    "full": full,
    "no reader": no_reader,
}


def run(words: list[str], condition: str) -> dict[str, object]:
    """Run one command in a fork and return what it said and how it ended."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                signal.alarm(WITHIN_S)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
                sys.stderr = io.TextIOWrapper(
                    os.fdopen(2, "wb", 0, closefd=False), encoding="utf-8", write_through=True
                )
                CONDITIONS[condition]()
                try:
                    code = main.main(words)
                except SystemExit as end:
                    code = int(end.code or 0)
                sys.stderr.flush()
            except BaseException:  # noqa: BLE001 - what Python would show a person
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode("utf-8", "replace"))
    return {
        "command": " ".join(words),
        "code": os.waitstatus_to_exitcode(status),
        "out": told[0],
        "err": told[1],
    }


def _import_all() -> None:
    """Import what commands import when they run: the second user may not read this checkout."""
    root = Path(pixd.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        if ".pix2pix." not in name and not name.endswith(("__init__", "__main__")):
            importlib.import_module(name)
    of_python = ("encodings.utf_8_sig", "encodings.ascii", "importlib.resources.readers", "difflib")
    for name in (*of_python, "sqlite_utils", "PIL.Image", "rich.live"):
        importlib.import_module(name)
    resources.files("pixd.cli").joinpath("unit_files", "pixd.service").read_text("utf-8")


if __name__ == "__main__":
    folder, condition = sys.argv[1:]
    _import_all()
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for words in commands():
        sys.stdout.write(json.dumps(run(words, condition)) + "\n")
        sys.stdout.flush()
