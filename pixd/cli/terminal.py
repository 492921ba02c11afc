"""What a command writes in addition to its answer: notes and progress."""

from __future__ import annotations

import os
import sys


def warn(text: str) -> None:
    """Write a note for people to standard error; standard output is for data."""
    print(text, file=sys.stderr)


class Progress:
    """One line on a terminal that says what is being waited for; silent elsewhere."""

    def __init__(self) -> None:
        """Find out whether standard error is a terminal."""
        self.is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""

    def show(self, text: str) -> None:
        """Replace the line."""
        if self.is_shown and text != self._shown:
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            sys.stderr.write("\r\x1b[K" + text[:width])
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Take the line away, before something else is printed."""
        if self.is_shown and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""


def bar(step: int, steps: int, width: int = 24) -> str:
    """Draw a progress bar of block characters."""
    full = width * step // steps if steps else 0
    return "\u2588" * full + "\u2591" * (width - full)
