"""The store: its disk, its database, and what a crash may have left in it."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from typing import TYPE_CHECKING, TypeVar

from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.store import connection, lock, model_files, verify, writer
from pixd.store.heartbeat import read_heights
from pixd.store.queries import history, holds
from pixd.system import disk, libc
from pixd.system.children.folder_calls import silence_of
from pixd.system.errors import CannotTellError, StoreError
from pixd.system.wording import size
from pixd.training.run import room_for_training
from pixd.translation.due import IMAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pixd.config import Settings
    from pixd.store.connection import Reader
    from pixd.store.queries.holds import Root

_T = TypeVar("_T")

FEWEST_FREE_FILES = 10_000
LEFT_AFTER_S = 3600.0
"""A temporary file this old is a leftover, because none is in use longer than one image takes."""
LOOK_FOR_S = 0.3
"""How long to look for leftovers, because an output folder may hold any number of files."""
EVENTS_FOLDER = ".doctor-"


class Examined:
    """The store as far as it can be read, opened once for all checks."""

    def __init__(self, folder: Path) -> None:
        """Open the store in `folder` read-only, if there is one and it can be opened."""
        self.folder = folder
        self.reader: Reader | None = None
        self.trouble: CannotTellError | None = None
        try:
            self.holder = lock.holder_pid(folder)
            if connection.has_database(folder) or connection.what_outlived_database(folder):
                self.reader = connection.open_reader(folder)
        except CannotTellError as error:
            self.holder = None
            self.trouble = error

    def roots(self, pipeline: str) -> dict[str, Root]:
        """Return what is recorded of the watched folders of a pipeline, by kind."""
        nothing: dict[str, Root] = {}
        return self.ask(lambda reader: holds.roots(reader, pipeline), nothing)

    def newest_event_at(self) -> str:
        """Return when the newest event was noted, RFC 3339; "" where there is none."""
        return self.ask(history.newest_event_at, "")

    def close(self) -> None:
        """Close the database, so that no log of this reader is left beside it."""
        if self.reader is not None:
            self.reader.close()

    def ask(self, question: Callable[[Reader], _T], otherwise: _T) -> _T:
        """Return the answer, or `otherwise` if the database has none; another check says why."""
        if self.reader is None:
            return otherwise
        try:
            return question(self.reader)
        except Exception as error:
            if disk.damage(error) or disk.refusal(error):
                return otherwise
            raise


def disk_checks(settings: Settings) -> Iterator[Check]:
    """Look at the disk that the store is on: local, writable, with room for what may come."""
    folder = settings.store
    quoted = shlex.quote(str(folder))
    place = next(p for p in (folder, *folder.parents) if p.exists())
    real = os.path.realpath(place)
    kind = libc.file_system(real) or "file system unknown"
    if network := libc.network_file_system(real):
        told = f"{folder} is on {network}, where neither its lock nor its database can be trusted"
        yield fail(
            "store", told, "stop pixd, move it to a local disk, and name that in config.yaml"
        )
    elif not place.is_dir():
        yield fail("store", f"{place} is no folder", f"mv {quoted} {quoted}.old")
    elif os.statvfs(place).f_flag & os.ST_RDONLY:
        told = f"the disk of {place} is mounted read-only"
        yield fail("store", told, disk.ADVICE_READ_ONLY)
        return
    elif not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        told = f"you may not write {place}, and the service may if it is another user"
        yield warn("store", told, "ask as the service's user, as the first check says")
    else:
        yield ok("store", f"{folder}, {kind}, writable")
    yield _room(settings, place)


def _room(settings: Settings, place: Path) -> Check:
    name, make_room = "store space", "pixd gc --apply, then pixd gc --empty-trash; or make room"
    for pipeline in settings.pipelines:
        if why := disk.shortage(place, IMAGE_BYTES, pipeline.keep.free_bytes):
            return fail(name, why, make_room)
    for pipeline in settings.pipelines:
        if why := room_for_training(place, pipeline):
            return warn(name, f"too little for a training of {pipeline.name}: {why}", make_room)
    found = os.statvfs(place)
    if found.f_files and found.f_favail < FEWEST_FREE_FILES:
        told = f"room for {found.f_favail} more files only (inodes)"
        return warn(name, told, f"df -i {shlex.quote(str(place))} says where; {make_room}")
    return ok(name, f"{size(disk.free_bytes(place))} free")


def database_checks(examined: Examined) -> Iterator[Check]:
    """Check that the database can be read, is of this version, is whole and is the newest."""
    name = "database"
    if examined.trouble is not None:
        yield fail(name, examined.trouble.message, examined.trouble.advice)
        return
    if examined.reader is None:
        yield ok(name, "none yet; the first start makes one")
        return
    if examined.holder is not None:
        version = "an older" if connection.is_older(examined.reader) else "this"
        yield ok(name, f"of {version} version; a service that runs knows it whole")
        return
    if why := verify.quick_check(examined.reader):
        yield fail(name, f"damaged: {why}", writer.ADVICE_DAMAGED)
        return
    try:
        said = read_heights(examined.folder)
        writer.refuse_older_than(said, examined.reader, examined.folder)
    except StoreError as error:
        yield fail(name, error.message, error.advice)
        return
    told = size((examined.folder / connection.DATABASE).stat().st_size)
    if connection.is_older(examined.reader):
        told = f"of an older pixd, whole ({told}); the next start brings it up to date"
        yield ok(name, f"{told}, with everything in it")
        return
    yield ok(name, f"of this version, whole ({told})")


def leftovers(settings: Settings, examined: Examined) -> Check:
    """Look for temporary files that are left over. The next start removes most of them."""
    outputs = [p.output for p in settings.pipelines if not silence_of(settings.store, p.output)]
    ends_at = time.monotonic() + LOOK_FOR_S
    old = [path for path in _temporaries(settings.store, outputs, ends_at) if _is_old(path)]
    if not old:
        return ok("leftovers", "none")
    told = f"{len(old)} temporary files of a crash, such as {old[0]}"
    ours = [path for path in old if path.name.startswith(EVENTS_FOLDER)]
    if ours:
        return warn("leftovers", told, f"rm -r {shlex.quote(str(ours[0]))}")
    restart = "systemctl restart pixd" if examined.holder is not None else "pixd run"
    return warn("leftovers", told, f"{restart} (each start removes them)")


def _temporaries(store: Path, outputs: list[Path], ends_at: float) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from store.glob(f"{EVENTS_FOLDER}*")
        yield from model_files.half_made_in(store)
    for output in outputs:
        for below, _, names in os.walk(output):
            yield from (output / below / n for n in names if n.startswith(".pixd-"))
            if time.monotonic() > ends_at:
                return


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > LEFT_AFTER_S
    except OSError:
        return False
