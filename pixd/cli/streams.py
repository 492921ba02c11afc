"""Standard input, output and error: there, able to say every name, and with an end that is quiet."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

RAW_OR_SPELLED = "pixd-raw-or-spelled"
"""An error handler: what `surrogateescape` can write, and else what `backslashreplace` does."""


def prepare() -> None:
    """Make sure that a command can print whatever it has to, wherever it goes.

    A name may hold a letter that the terminal's encoding lacks; its number is printed. If a
    stream was closed before the start (``>&-``), the next file that is opened would take its
    number, and what is printed would go into it. So the null device takes it.
    """
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= 2:  # noqa: PLR2004 - standard error
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False, encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # it goes on as it is
                # In the C locale Python passes bytes that are no text through, as they are.
                is_raw = stream.errors == "surrogateescape"
                stream.reconfigure(errors=RAW_OR_SPELLED if is_raw else "backslashreplace")


def write_lines_at_once() -> None:
    """Let each line be seen when it is printed, also in a pipe; else it would wait for the end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        with contextlib.suppress(OSError):
            sys.stdout.reconfigure(line_buffering=True)


def flush() -> None:
    """Write what was printed, while an error can still be reported.

    Raises:
        OSError: it cannot be written: the reader is gone, or the disk of the file is full.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        give_up()
        if not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
        raise


def give_up() -> None:
    """Let what is still to be printed go nowhere, so that no error comes at the end."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _write_raw_or_spell(error: UnicodeError) -> tuple[str | bytes, int]:
    for name in ("surrogateescape", "backslashreplace"):
        with contextlib.suppress(UnicodeError):
            return codecs.lookup_error(name)(error)
    raise error


codecs.register_error(RAW_OR_SPELLED, _write_raw_or_spell)
