"""Errors that no command expected, as words for a person: what is wrong and what to do.

Commands raise a `PixdError` where they know what an error means. What they let through comes here:
errors of the system, of the database, and bugs.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pixd
from pixd.system import disk
from pixd.system.errors import CannotTellError, PixdError

_AS_WHOM = "ask as the user that runs pixd (sudo -u), or get the right to it: `ls -ld {path}`"
_PACKAGE = str(Path(pixd.__file__).parent)


def is_expected(error: BaseException) -> bool:
    """Tell whether an error comes from outside: the system, a disk, a file, a terminal."""
    return isinstance(error, OSError | UnicodeError) or disk.is_of_database(error)


def as_pixd_error(error: Exception) -> PixdError:
    """Return what to tell a person about an error."""
    if why := disk.refusal(error):
        return PixdError(why, advice=disk.advice_for(why))
    if why := disk.damage(error):
        return CannotTellError(f"the database is damaged: {why}", advice="pixd verify")
    if disk.is_of_database(error):
        return CannotTellError(
            f"the database does not answer as it should: {error}",
            advice="`pixd doctor` says whether it is whole and of this version",
        )
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, UnicodeError):
        return PixdError(f"a text cannot be read or written: {error}", advice="export LANG=C.UTF-8")
    return PixdError(
        f"an error in pixd itself: {type(error).__name__}: {error}{_where(error)}",
        advice="the same again with PIXD_DEBUG=1 shows all of it; please report that",
    )


def _of_system(error: OSError) -> PixdError:
    path = os.fsdecode(error.filename) if error.filename is not None else ""
    if isinstance(error, PermissionError):
        told = f"you may not use {path}" if path else str(error)
        return PixdError(
            f"{told}: {error.strerror}", advice=_AS_WHOM.format(path=_there(path or "."))
        )
    told = f"{path}: {error.strerror}" if path else str(error.strerror or error)
    advice = "see that the name is right; another program may have moved it meanwhile"
    if not isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        advice = "`pixd doctor` looks at everything that pixd needs"
    return PixdError(told, advice=advice)


def _there(path: str) -> str:
    """Return a path that can be looked at: the path, or the nearest one above that is there."""
    there = os.path.abspath(path)  # noqa: PTH100 - as it was named; nothing is followed
    while not os.path.lexists(there):
        there = os.path.dirname(there)  # noqa: PTH120 - as above
    return path if there == os.path.abspath(path) else there  # noqa: PTH100 - as above


def _where(error: Exception) -> str:
    """Say in which line of pixd it happened."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(_PACKAGE)
    ]
    if not frames:
        return ""
    last = frames[-1]
    return f" (pixd{last.filename.removeprefix(_PACKAGE)}:{last.lineno})"
