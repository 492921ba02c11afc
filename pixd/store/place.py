"""Where a store is: whether its path still leads to it, and which store it is.

A disk can be unplugged, unmounted or renamed while the store is open. The open files then go on
working for a while, and the path leads nowhere, or to another folder. So whoever writes by path
asks `StorePlace.why_gone` first. Each store has an *identity*, a random text in a file of its own,
so that another store in its place is not taken for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from pixd.store.connection import DATABASE, what_outlived_database
from pixd.system.errors import StoreGoneError

IDENTITY = "identity"
ADVICE_GONE = (
    "bring its disk back, or give it back its name: pixd goes on by itself; to begin anew"
    " without it: `pixd run --new-store`"
)
ADVICE_ELSEWHERE = (
    "put the old place back into config.yaml, or move the store to the new one; to begin anew"
    " without it: `pixd run --new-store`"
)
_Place = tuple[int, int]


class StorePlace:
    """The folder of an open store, followed wherever its path leads.

    Made before the store is opened, and told when it is: so a store that goes meanwhile is noticed.
    """

    def __init__(self, folder: Path) -> None:
        """Remember what `folder` is now.

        Raises:
            OSError: it is not there.
        """
        self.folder = folder
        self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = _place(os.fstat(self._fd))
        self._database: _Place | None = None

    def note_opened(self) -> None:
        """Remember what its database is, now that it is open.

        Raises:
            OSError: it is not there.
            StoreGoneError: the path does not lead to this store any more.
        """
        self._database = _place(os.stat(self.pinned / DATABASE))  # noqa: PTH116 - as above
        if why := self.why_gone():
            raise gone(why)

    @property
    def pinned(self) -> Path:
        """A path to this very folder, also after it was renamed or unmounted.

        What is written there never lands in another folder that took its place.
        """
        return Path(f"/proc/self/fd/{self._fd}")

    def why_gone(self) -> str:
        """Say why the store's path does not lead to this store any more, or ""."""
        told = say_gone(self.folder)
        why = _why_not(self.folder, self._folder, told, told)
        path = self.folder / DATABASE
        other = f"{path} is another file than the one that was opened"
        return why or _why_not(path, self._database, f"{path} is gone", other)

    def close(self) -> None:
        """Let go of the folder, so that its disk can be taken out."""
        os.close(self._fd)


def why_not_there(folder: Path) -> str:
    """Say why there is no store in `folder`, or "" where there is one, whole or not.

    A store that may not be read counts as one; opening it says more.
    """
    try:
        os.stat(folder / DATABASE)  # noqa: PTH116 - its error is wanted
    except PermissionError:
        return ""
    except (FileNotFoundError, NotADirectoryError):
        try:
            return "" if what_outlived_database(folder) else say_gone(folder)
        except OSError as error:
            return say_gone(folder) if isinstance(error, NotADirectoryError) else ""
    except OSError as error:
        return say_out_of_reach(folder, error)
    return ""


def say_gone(folder: Path) -> str:
    """Say that a store is not where it was."""
    return f"the store at {folder} is gone: its disk was unplugged or it was renamed"


def say_elsewhere(was: str, folder: Path) -> str:
    """Say that config.yaml names a place where no store is, and where it was."""
    return f"the store was at {was}, and {folder} holds none"


def say_out_of_reach(folder: Path, error: OSError) -> str:
    """Say that nobody can tell whether the store is there."""
    return f"the store at {folder} cannot be reached: {error.strerror or error}"


def gone(why: str) -> StoreGoneError:
    """Return the error for a store that is gone for the reason `why`."""
    return StoreGoneError(why, advice=ADVICE_GONE)


def read_identity(folder: Path) -> str:
    """Return which store is in `folder`; "" for one that has no identity yet, or none."""
    try:
        return (folder / IDENTITY).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def identity_of(folder: Path) -> str:
    """Return which store is in `folder`, giving it an identity if it has none.

    On a disk that refuses, it stays without one until the next start.
    """
    found = read_identity(folder)
    if found:
        return found
    from pixd.system import durable  # noqa: PLC0415 - `pixd status` is light

    made = os.urandom(16).hex()
    try:
        durable.write_file(folder / IDENTITY, f"{made}\n".encode())
    except OSError:
        return ""
    return made


def _why_not(path: Path, was: _Place | None, missing: str, other: str) -> str:
    try:
        return "" if _place(os.stat(path)) == was else other  # noqa: PTH116 - each step asks
    except (FileNotFoundError, NotADirectoryError):
        return missing
    except OSError as error:
        return say_out_of_reach(path, error)


def _place(about: os.stat_result) -> _Place:
    return about.st_dev, about.st_ino
