"""Watched and output folders: they exist, may be used, and are the same as before."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.folders import scan
from pixd.system import disk, libc, mounts, safe_open
from pixd.system.children.folder_calls import silence_of
from pixd.system.users import user_name
from pixd.translation.due import IMAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.answers.doctor.store import Examined
    from pixd.config import PipelineSettings, Settings
    from pixd.store.queries.holds import Root
    from pixd.system.stamps import RootIdentity


def checks(settings: Settings, examined: Examined) -> Iterator[Check]:
    """Look at the folders of every pipeline."""
    for pipeline in settings.pipelines:
        roots = examined.roots(pipeline.name)
        for kind, folder in (("training", pipeline.training), ("input", pipeline.input)):
            name = f"{pipeline.name} {kind}"
            yield _hanging(name, folder, settings.store) or watched(
                name, folder, roots.get(kind), f"pixd resume -p {pipeline.name}"
            )
        name = f"{pipeline.name} output"
        yield _hanging(name, pipeline.output, settings.store) or output(pipeline)


def _hanging(name: str, folder: Path, store: Path) -> Check | None:
    error = silence_of(store, folder)
    return fail(name, error.message, error.advice) if error else None


def watched(name: str, folder: Path, root: Root | None, resume: str) -> Check:
    """Look at a folder that pixd reads.

    Args:
        name: of the check.
        folder: as config.yaml names it.
        root: what the store remembers of it; None before it was ever seen.
        resume: the command that accepts it as it is.
    """
    try:
        identity = scan.root_identity(folder)
    except safe_open.RootGoneError as error:
        return _absent(name, folder, root, error)
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        return _may_not_read(name, folder)
    where = f"{folder}, {_file_system(folder)}"
    if doubt := _doubt(folder, identity, root):
        told, mend = doubt
        return warn(name, f"{where}, {told}", f"{mend}; or {resume}")
    kind = mounts.may_hang(folder)
    how = f"polled: {kind} reports no changes" if kind else "watched by inotify"
    return ok(name, f"{where}, {how}")


def _absent(name: str, folder: Path, root: Root | None, error: safe_open.RootGoneError) -> Check:
    """Distinguish a folder that was never made from one that is gone."""
    if folder.is_dir():
        return _may_not_read(name, folder)
    is_known = root is not None and root.inode != 0 and root.path == str(folder)
    if is_known or folder.exists() or folder.is_symlink():
        return fail(name, error.message, error.advice)
    mend = f"mkdir -p {shlex.quote(str(folder))}"
    return fail(name, f"{folder} is not there, and the service does not make it", mend)


def _may_not_read(name: str, folder: Path) -> Check:
    mend = f"sudo setfacl -R -m u:{_me()}:rX {shlex.quote(str(folder))}"
    return fail(name, f"{folder} cannot be read", mend)


def _doubt(folder: Path, identity: RootIdentity, root: Root | None) -> tuple[str, str] | None:
    """Say why the folder may not be the one that the store remembers, and what to do; or None."""
    if root is not None and root.hold:
        return f"on hold: {root.hold}", "put it back as it was"
    if root is None or not root.inode or root.is_accepted or root.path != str(folder):
        return None
    if identity.device != root.device:
        mend = f"findmnt -T {shlex.quote(str(folder))} says what is mounted"
        return "on another disk than when the service saw it last", mend
    if (identity.inode, identity.born_ns) != (root.inode, root.born_ns):
        return "another folder than the service saw last", "put the old one back, if it was not you"
    return None


def output(pipeline: PipelineSettings) -> Check:
    """Look at the folder that pixd writes, without writing to it."""
    name, folder = f"{pipeline.name} output", pipeline.output
    quoted = shlex.quote(str(folder))
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            return fail(name, f"{folder} is no folder", f"mv {quoted} {quoted}.old")
        parent = next(place for place in folder.parents if place.exists())
        if not os.access(parent, os.W_OK | os.X_OK, effective_ids=True):
            told = f"{folder} is not there and cannot be made"
            return fail(name, told, f"sudo install -d -o {_me()} {quoted}")
        return warn(name, f"{folder} is not there yet; the service makes it", f"mkdir -p {quoted}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        told = f"{folder} cannot be written"
        return fail(name, told, f"sudo setfacl -R -m u:{_me()}:rwX {quoted}")
    if why := disk.shortage(folder, IMAGE_BYTES, pipeline.keep.free_bytes):
        return fail(name, why, "make room there; it goes on by itself")
    return ok(name, f"{folder}, {_file_system(folder)}, writable")


def _me() -> str:
    # By name, because another user types the command: this user lacks the permission.
    return user_name(os.geteuid())


def _file_system(folder: Path) -> str:
    return libc.file_system(os.path.realpath(folder)) or "file system unknown"
