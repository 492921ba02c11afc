"""What a command writes in addition to its answer: notes and progress."""

from __future__ import annotations

import os
import re
import sys
import time


def warn(text: str) -> None:
    """Write a note for people to standard error; standard output is for data."""
    print(text, file=sys.stderr)


class Progress:
    """One line on a terminal that says what is being waited for.

    Elsewhere (a pipe, a file, CI) nothing can be replaced. There it is silent, or writes a line of
    its own now and then.
    """

    def __init__(self, every_s: float | None = None) -> None:
        """Find out whether standard error is a terminal.

        Args:
            every_s: how often to write a line where it is none; None for never.
        """
        self.is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._every_s = every_s
        self._written_at = time.monotonic()
        self._phase = ""
        self._shown = ""

    def show(self, text: str, *, phase: str = "") -> None:
        """Replace the line.

        Args:
            text: how far it is.
            phase: what is being done. Where it is no terminal, another phase is a line at once.
        """
        if not self.is_shown:
            self._write(text, phase)
        elif text != self._shown:
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            sys.stderr.write("\r\x1b[K" + text[:width])
            sys.stderr.flush()
            self._shown = text

    def _write(self, text: str, phase: str) -> None:
        now = time.monotonic()
        is_due = self._every_s is not None and now - self._written_at >= self._every_s
        if is_due or (self._every_s is not None and phase != self._phase):
            self._written_at, self._phase = now, phase
            print(_BAR.sub("", text), file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self.is_shown and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""


_BAR = re.compile("[\u2588\u2591]+ ")


def bar(step: int, steps: int, width: int = 24) -> str:
    """Draw a progress bar of block characters."""
    full = width * step // steps if steps else 0
    return "\u2588" * full + "\u2591" * (width - full)
