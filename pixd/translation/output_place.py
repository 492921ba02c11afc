"""Whether the output folder may be written, and how: is it there, and is its disk mounted?

An output folder on a disk that is away must not be made again in the empty mount point: the outputs
would be hidden there as soon as the disk is back. So the store remembers at which mount point the
folder's disk was. A folder that is missing or empty is believed only while that is mounted.
Somebody who empties the folder, or removes it, gets the outputs again, and so does an empty disk
that is mounted in the place of the old one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.system import durable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.store.store import Store

FILE = "output-mounts.json"
"""In the store: for each pipeline its output folder, and the mount point of its disk."""


class OutputPlace:
    """The output folder of one pipeline, as the store remembers it."""

    def __init__(self, store: Store, pipeline: str, folder: Path) -> None:
        """Look at nothing before `why_not` is asked."""
        self._store = store
        self._pipeline = pipeline
        self._folder = folder
        self._believed: tuple[int, int] | None = None  # device and inode

    def why_not(self) -> str:
        """Say why nothing may be written to the folder now, or "".

        A folder that somebody removed from a disk that is there is made again.
        """
        try:
            about = os.stat(self._folder)  # noqa: PTH116 - its error is wanted
        except (FileNotFoundError, NotADirectoryError):
            return self._why_not_make()
        except OSError as error:
            return f"the output folder {self._folder}: {error.strerror}"
        if not stat.S_ISDIR(about.st_mode):
            return f"{self._folder} is no folder"
        if (about.st_dev, about.st_ino) != self._believed:
            if _is_empty(self._folder) and (why := self._why_not_mounted()):
                return why
            self._believe()
        return ""

    @contextlib.contextmanager
    def held(self) -> Iterator[Path]:
        """Yield a path to the folder that `why_not` last believed, whatever its name leads to meanwhile.

        What is written there never lands in the mount point of a disk that has just gone. It is held
        for the block alone, because a disk with an open folder cannot be unmounted.

        Raises:
            OSError: the name leads to another folder now, or to none.
        """
        fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            about = os.fstat(fd)
            if (about.st_dev, about.st_ino) != self._believed:
                raise OSError(errno.ESTALE, "it is another folder than a moment ago")
            yield Path(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)

    def _why_not_make(self) -> str:
        self._believed = None
        if why := self._why_not_mounted():
            return why
        had_outputs = self._store.outputs.last_published_at(self._pipeline) is not None
        is_unknown = self._pipeline not in self._places()
        has_parent = os.path.isdir(self._folder.parent)  # noqa: PTH112 - no error where it may not look
        if (is_unknown and had_outputs) or not has_parent:
            return (
                f"the output folder {self._folder} is gone: bring its disk back, or make it"
                " again with mkdir"
            )
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            return f"the output folder {self._folder} cannot be made: {error.strerror}"
        self._believe()
        return ""

    def _why_not_mounted(self) -> str:
        was = self._remembered()
        if was is None or os.path.ismount(was):
            return ""
        return (
            f"the output folder {self._folder} is not there: no disk is mounted at {was}; mount it,"
            " and pixd goes on by itself"
        )

    def _believe(self) -> None:
        mount_point = _mount_point(self._folder)
        if self._remembered() != mount_point:
            places = self._places() | {self._pipeline: [os.fspath(self._folder), mount_point]}
            with contextlib.suppress(OSError, UnicodeError):  # it is remembered the next time
                text = json.dumps(places, sort_keys=True, indent=1) + "\n"
                durable.write_file(self._store.place.pinned / FILE, text.encode())
        with contextlib.suppress(OSError):
            about = os.stat(self._folder)  # noqa: PTH116 - as in `why_not`
            self._believed = about.st_dev, about.st_ino

    def _remembered(self) -> str | None:
        """Return the mount point that the folder's disk was at; None where it is not known."""
        place = self._places().get(self._pipeline)
        if not isinstance(place, list) or place[:1] != [os.fspath(self._folder)]:
            return None
        return str(place[1])

    def _places(self) -> dict[str, object]:
        try:
            found = json.loads((self._store.folder / FILE).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False  # publishing says why it cannot be read


def _mount_point(folder: Path) -> str:
    """Return the mount point above a path that need not exist."""
    place = os.path.realpath(folder)
    while not os.path.ismount(place):
        place = os.path.dirname(place)  # noqa: PTH120 - `place` is text
    return place
