"""What `pixd run` says while it works: one line an event, for people, the journal or programs.

- ``text``: time, level, pipeline and message. On a terminal the local time of day; in a file,
  which may be read months later and elsewhere, the date and UTC.
- ``journal``: the priority first, as sd-daemon(3) wants it, then the message, then kind and
  change, so that ``journalctl -u pixd -p warning`` and ``grep change=`` work. No time, since
  journald has it.
- ``json``: one object a line with the keys of `Event`.

A message is always one line and never sends a control character to a terminal, whatever a file's
name or a child's last output contains.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from pixd.store.events import Event
from pixd.system.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMATS = ("text", "json", "journal")
_PRIORITIES = {"info": 6, "warning": 4, "error": 3}  # sd-daemon(3), as syslog(3)


def fitting_format(stream: TextIO, environ: Mapping[str, str]) -> str:
    """Return the format for a stream: ``journal`` where journald reads it, else ``text``.

    Source: systemd.exec(5), $JOURNAL_STREAM: the device and inode that journald gave out; a
    stream that was redirected since has others.
    """
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return "text"
    is_journal = environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"
    return "journal" if is_journal else "text"


def line(event: Event, form: str, *, is_terminal: bool = False) -> str:
    """Write one event as one line without its end.

    Args:
        event: what happened.
        form: one of `FORMATS`.
        is_terminal: whether a person reads it as it comes; only ``text`` differs.
    """
    message = one_line(event.message)
    if form == "json":
        return json.dumps({**event._asdict(), "message": message}, ensure_ascii=False)
    where = f"{event.pipeline}: " if event.pipeline else ""
    if form == "journal":
        change = f" change={event.change}" if event.change else ""
        priority = _PRIORITIES[event.level]
        return f"<{priority}>{where}{message} [kind={event.kind}{change}]"
    at = time.strftime("%H:%M:%S") if is_terminal else event.time[:19] + "Z"
    return f"{at} {event.level:<7} {where}{message}"


class Log:
    """Writes events to standard error as they happen."""

    def __init__(self, form: str | None, before: Callable[[], None] = lambda: None) -> None:
        """Choose the format.

        Args:
            form: one of `FORMATS`; None for what fits.
            before: called before each line, to remove a progress line.
        """
        self.form = form or fitting_format(sys.stderr, os.environ)
        self._is_terminal = sys.stderr.isatty()
        self._before = before

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self._before()
        written = line(event, self.form, is_terminal=self._is_terminal)
        # A name may hold characters that the terminal cannot show. That must not end the log.
        encoding = sys.stderr.encoding or "utf-8"
        sys.stderr.write(written.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()
