"""Carries out a command line. Only here do errors become exit codes.

Each command lives in a module of `pixd.cli.commands` with a function `run(args) -> int`, imported
only when it is asked for, so that `pixd status` stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from pixd.cli import arguments
from pixd.system.errors import EXIT_CANNOT_TELL, EXIT_FAILED, EXIT_USAGE, PixdError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPLETE = "__complete"
"""The command that the scripts for shells use. It is not for people, so no parser knows it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(sys.argv[1:] if words is None else list(words))
    except PixdError as error:
        print(f"pixd: {error.message}", file=sys.stderr)
        if error.advice:
            print(f"  try: {error.advice}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + 2
    except BrokenPipeError:
        # The reader (head, less) is gone. A second error while flushing would help nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        code = _disk_trouble(error)
        if not code:
            raise
        return code


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


def _disk_trouble(error: Exception) -> int:
    """Say what a disk refused or damaged, and return the exit code; 0 for other errors."""
    from pixd.system import disk  # noqa: PLC0415 - only when something went wrong

    if why := disk.refusal(error):
        print(f"pixd: {why}\n  try: free some space or repair the disk", file=sys.stderr)
        return EXIT_FAILED
    if why := disk.damage(error):
        print(f"pixd: the database is damaged: {why}\n  try: pixd verify", file=sys.stderr)
        return EXIT_CANNOT_TELL
    return 0
