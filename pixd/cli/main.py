"""Carries out a command line. Only here do errors become exit codes.

Each command lives in a module of `pixd.cli.commands` with a function `run(args) -> int`, imported
only when it is asked for, so that `pixd status` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from pixd.cli import arguments, streams
from pixd.system.errors import EXIT_FAILED, EXIT_USAGE, PixdError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG = "PIXD_DEBUG"
"""If this variable is set, an error comes with its traceback, for a bug report."""
_COMPLETE = "__complete"
"""The command that the scripts for shells use. It is not for people, so no parser knows it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    streams.prepare()
    words = sys.argv[1:] if words is None else list(words)
    try:
        try:
            return _run(words)
        finally:
            streams.flush()
    except SystemExit:  # argparse's, after --help
        raise
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + 2
    except BrokenPipeError:
        # The reader (head, less) is gone. A second error while flushing would help nobody.
        streams.give_up()
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback reaches a person
        return _report(error, words)


def _run(words: list[str]) -> int:
    top = arguments.parser()
    if words[:1] == [_COMPLETE]:
        from pixd.cli.commands import complete  # noqa: PLC0415 - only for a shell

        return complete.run(top, " ".join(words[1:]))
    args = top.parse(words)
    if args.command is None:
        usage = f"usage: {arguments.USAGE}\n\n{arguments.FIRST_STEPS}"
        print(f"{usage}\nall commands: pixd --help", file=sys.stderr)
        return EXIT_USAGE
    _check_working_folder()
    module = importlib.import_module(f"pixd.cli.commands.{top.commands[args.command].module}")
    return int(module.run(args))


def _check_working_folder() -> None:
    """Check that the working folder exists, because relative names need it.

    Raises:
        UsageError: the folder that the command was started in is gone.
    """
    try:
        os.getcwd()  # noqa: PTH109 - only whether it is there
    except OSError as error:
        raise UsageError(
            f"the folder that you are in cannot be used: {error.strerror}",
            advice="cd to one that exists; `cd .` where it was made again",
        ) from error


def _report(error: Exception, words: Sequence[str]) -> int:
    """Say in two lines what is wrong and what to do, and return the exit code.

    A traceback is for bug reports: it is shown if `PIXD_DEBUG` asks for it, and of a bug in the
    service, which nobody can ask again.
    """
    shows_all = DEBUG in os.environ
    told = error if isinstance(error, PixdError) else None
    if told is None:
        from pixd.cli import trouble  # noqa: PLC0415 - only when something went wrong

        told = trouble.as_pixd_error(error)
        shows_all |= "run" in words and not trouble.is_expected(error)
    if shows_all:
        import traceback  # noqa: PLC0415 - as above

        traceback.print_exception(error)
    print(f"pixd: {told.message}", file=sys.stderr)
    if told.advice:
        print(f"  try: {told.advice}", file=sys.stderr)
    return told.exit_code
