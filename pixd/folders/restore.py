"""Bring a folder back to what it was at a commit, or write that version elsewhere.

It writes into a user's training or input folder, and only on request. Besides it do so `pixd
teach`, `pixd prepare` and the page's uploads alone.
A file is removed or replaced only if its present bytes are in the store, so that nothing is
lost. A file that was never recorded stays where it is and is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.folders import away, scan
from pixd.store import manifests
from pixd.store.queries import files, holds, lineage
from pixd.store.states import BytesState
from pixd.system import durable
from pixd.system.digests import hash_file
from pixd.system.errors import PixdError
from pixd.system.names import path_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.connection import Reader
    from pixd.system.stamps import FileStamp


class Plan(NamedTuple):
    """What a restore will do to a folder.

    Attributes:
        write: digest of each file to be made or replaced.
        before: the stamp of each file that is to be replaced or removed.
        remove: files that the version does not have.
        unrecorded: files whose bytes the store does not have; they are left alone.
        same: how many files are as they should be.
        missing: files of the version whose bytes were removed from the store.
    """

    write: Mapping[str, str]
    before: Mapping[str, FileStamp]
    remove: tuple[str, ...]
    unrecorded: tuple[str, ...]
    same: int
    missing: tuple[str, ...]


def check_folder(reader: Reader, pipeline: PipelineSettings, kind: str) -> None:
    """Check that a watched folder is on the disk that it was on.

    Raises:
        PixdError: files would be written below an empty mount point.
    """
    folder = pipeline.training if kind == "training" else pipeline.input
    if why := away.why_disk_away(folder, holds.roots(reader, pipeline.name).get(kind)):
        raise PixdError(
            f"the {kind} folder: {why}",
            advice=f"{away.LOOK}; to write it there all the same, say --to {folder}",
        )


def files_of(store: Path, version: str) -> dict[str, str]:
    """Return the digest of every file of a version by name.

    Raises:
        PixdError: its manifest cannot be read.
    """
    try:
        entries = manifests.read(lambda digest: lineage.object_path(store, digest), version)
    except (OSError, ValueError) as error:
        raise PixdError(
            f"the manifest {version[:19]} cannot be read: {error}", advice="run `pixd verify`"
        ) from error
    return {name: entry.digest for name, entry in entries.items()}


def plan(
    reader: Reader, store: Path, wanted: Mapping[str, str], folder: Path, repo_id: int | None
) -> Plan:
    """Compare a folder with a version.

    Args:
        reader: the store, for the digests of files that have not changed since they were read.
        store: the store's folder.
        wanted: digest of each file of the version.
        folder: the folder as it is; it may be missing.
        repo_id: the repo that watches it, or None for a folder elsewhere.
    """
    there = scan.scan(folder).files if folder.is_dir() else {}
    present = _digests(reader, folder, there, repo_id)
    write: dict[str, str] = {}
    remove: list[str] = []
    unrecorded: list[str] = []
    missing: list[str] = []
    same = 0
    for name, digest in wanted.items():
        old = present.get(name)
        if old == digest:
            same += 1
        elif not _is_kept(reader, store, digest):
            missing.append(name)
        elif old is not None and not _is_kept(reader, store, old):
            unrecorded.append(name)
        else:
            write[name] = digest
    for name, old in present.items():
        if name not in wanted:
            (remove if _is_kept(reader, store, old) else unrecorded).append(name)
    before = {name: there[name] for name in (*write, *remove) if name in there}
    return Plan(write, before, tuple(remove), tuple(unrecorded), same, tuple(missing))


def apply(made: Plan, store: Path, folder: Path, progress: Callable[[int], None]) -> list[str]:
    """Carry out a plan: write first, then remove.

    Each file is whole or not there. If this is interrupted, a second call does the rest.

    Returns:
        The files that changed or came since the plan was made; they are left alone.

    Raises:
        OSError: the folder cannot be written.
    """
    changed = []
    names = list(made.write)
    for start in range(0, len(names), durable.SYNC_TOGETHER):
        group = names[start : start + durable.SYNC_TOGETHER]
        written = [name for name in group if _is_as_planned(made, folder, name)]
        changed += [name for name in group if name not in written]
        durable.publish_many(
            [(lineage.object_path(store, made.write[n]), path_in(folder, n)) for n in written],
            lambda _: None,
        )
        progress(start + len(group))
    for name in made.remove:
        if not _is_as_planned(made, folder, name):
            changed.append(name)
            continue
        target = path_in(folder, name)
        target.unlink(missing_ok=True)
        for parent in target.parents:
            if parent == folder or not _remove_empty(parent):
                break
    return changed


def _is_as_planned(made: Plan, folder: Path, name: str) -> bool:
    """Look once more at a file that is to be written or removed; see if it is what the plan saw."""
    if name in made.before:
        return scan.stamp(folder, name) == made.before[name]
    target = path_in(folder, name)
    return target.is_symlink() or not target.is_file()


def _is_kept(reader: Reader, store: Path, digest: str) -> bool:
    """Tell whether bytes are recorded and there.

    A crash may leave bytes that no row names. Nothing would ever find those again.
    """
    row = files.object_row(reader, digest)
    is_present = row is not None and row.state is BytesState.PRESENT
    return is_present and lineage.object_path(store, digest).exists()


def _digests(
    reader: Reader, folder: Path, there: Mapping[str, FileStamp], repo_id: int | None
) -> dict[str, str]:
    """Return the digest of every file that is there, hashing only what the store does not know."""
    known = files.settled_digests(reader, repo_id) if repo_id is not None else {}
    found: dict[str, str] = {}
    for name, stamp in there.items():
        digest, seen = known.get(name, ("", None))
        if seen != (stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode):
            digest = hash_file(path_in(folder, name))
        found[name] = digest
    return found


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
