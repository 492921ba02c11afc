"""`pixd status --watch`: redrawn in place on a terminal, repeated text in a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tiny import Tiny

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"  # the other screen: xterm's ctlseqs
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor
CLEAR = "\x1b[2J"


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path / "tiny")


class Terminal:
    """A command on a terminal of its own, and all that it wrote there."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pixd", *words],
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.set_blocking(self.ours, False)
        self.screen = ""

    def until(self, is_so: Callable[[str], object], timeout_s: float = 30) -> str:
        ends_at = time.monotonic() + timeout_s
        while not is_so(self.read()):
            if time.monotonic() > ends_at:
                pytest.fail(f"not so on the terminal: {self.screen!r}")
            time.sleep(0.05)
        return self.screen

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError):
            self.screen += os.read(self.ours, 1 << 20).decode()
        return self.screen

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.read()
        return code

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_is_redrawn_without_flicker_and_left_clean(tiny: Tiny, number: int) -> None:
    terminal = Terminal(tiny.folder, "status", "--watch")
    screen = terminal.until(lambda text: text.count("NOT RUNNING") >= 3)
    assert terminal.end(number) == 0
    assert screen.startswith(ENTER)
    # Drawn over what stands there: nothing is blanked between two pictures.
    assert CLEAR not in screen
    assert screen.index(HIDE) < screen.index("NOT RUNNING")
    rest = terminal.screen[terminal.screen.index(ENTER) :]
    assert rest.rindex(LEAVE) > rest.rindex("NOT RUNNING")
    assert rest.rindex(SHOW) > rest.rindex(HIDE)
    assert "Traceback" not in rest
    assert termios.tcgetattr(terminal.theirs) == terminal.before
    terminal.close()


def test_a_watch_outlives_what_it_watches(tiny: Tiny) -> None:
    terminal = Terminal(tiny.folder, "status", "--watch", NO_COLOR="1")
    terminal.until(lambda text: "never started here" in text)
    tiny.start()
    screen = terminal.until(lambda text: "OK, idle" in text)
    assert "\x1b[1;3" not in screen  # no colour was wanted
    tiny.stop(signal.SIGKILL)
    terminal.until(lambda text: "it was killed" in text)
    assert terminal.end(signal.SIGINT) == 0
    terminal.close()


def test_the_verdict_is_coloured_where_somebody_looks(tiny: Tiny) -> None:
    for environment, is_coloured in (
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        terminal = Terminal(tiny.folder, "status", **environment)
        assert terminal.process.wait(20) == 3
        assert terminal.read().startswith("\x1b[1;31mNOT RUNNING" if is_coloured else "NOT RUNNING")
        terminal.close()


def in_a_pipe(tiny: Tiny, *words: str) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pixd", "status", "--watch", *words],
        cwd=tiny.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    return process, [process.stdout.readline() for _ in range(30 if not words else 2)]


def test_a_pipe_gets_one_plain_text_after_the_other(tiny: Tiny) -> None:
    process, lines = in_a_pipe(tiny)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    verdicts = [line for line in lines if line.startswith("NOT RUNNING")]
    assert len(verdicts) >= 2
    assert "\x1b" not in "".join(lines) + rest
    assert "Traceback" not in rest


def test_a_program_gets_an_object_a_second(tiny: Tiny) -> None:
    process, lines = in_a_pipe(tiny, "--json")
    assert [json.loads(line)["state"] for line in lines] == ["not-running"] * 2
    assert process.stdout is not None
    process.stdout.close()  # as head does
    assert process.wait(20) == 1
