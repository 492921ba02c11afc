"""What the file system under the store can do: locks, shared memory, sockets, links, synced folders.

Each is tried in a folder that is removed again. exFAT, some FUSE file systems and some mounts of
containers lack one or the other, and their error messages do not say so.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shlex
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.answers.doctor.store import EVENTS_FOLDER
from pixd.system import control_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "store abilities"


def checks(store: Path) -> Iterator[Check]:
    """Try what pixd needs, where this user may write; nothing where not: another check says so."""
    place = next((path for path in (store, *store.parents) if path.is_dir()), None)
    if place is None or not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        return
    try:
        with tempfile.TemporaryDirectory(prefix=EVENTS_FOLDER, dir=place) as folder:
            needed = _refused(Path(folder), _NEEDED)
            wanted = _refused(Path(folder), _WANTED)
    except OSError as error:
        yield fail(NAME, f"{place}: {error.strerror}", "see the other checks of the store")
        return
    other = "name a folder on another disk with `store` in config.yaml"
    if needed:
        told = f"the file system of {store} has no {', no '.join(needed)}"
        yield fail(NAME, told, f"{other}; findmnt -T {shlex.quote(str(place))} says which this is")
    elif wanted:
        instead = "; ".join(f"no {what}: {_INSTEAD[what]}" for what in wanted)
        yield warn(NAME, instead, f"nothing: pixd works; or {other}")
    else:
        yield ok(NAME, ", ".join((*_NEEDED, *_WANTED)))


def _refused(folder: Path, trials: dict[str, Callable[[Path], None]]) -> list[str]:
    found = []
    for what, attempt in trials.items():
        try:
            attempt(folder)
        except (OSError, ValueError):
            found.append(what)
    return found


def _lock(folder: Path) -> None:
    with (folder / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _share(folder: Path) -> None:
    # SQLite's write-ahead log needs it: https://sqlite.org/wal.html
    with (folder / "shared").open("w+b") as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as memory:
            memory[:4] = b"pixd"
            memory.flush()


def _bind(folder: Path) -> None:
    address = str(folder / "socket")
    with contextlib.ExitStack() as stack:
        text = stack.enter_context(control_socket.short(address))
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(text)
        listener.listen()
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(text)


def _link(folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    os.link(folder / "file", folder / "link")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NEEDED: dict[str, Callable[[Path], None]] = {"locks": _lock, "shared memory": _share}
_WANTED: dict[str, Callable[[Path], None]] = {
    "sockets": _bind,
    "hard links": _link,
    "synced folders": _sync,
}
_INSTEAD = {
    "sockets": "commands ask the service through a socket elsewhere",
    "hard links": "the files of a model are kept twice",
    "synced folders": "a power cut may undo the last renames",
}
