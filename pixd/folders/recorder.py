"""Read each settled file once, hash exactly the bytes that are kept, and write commits.

A commit is one transaction after its bytes are durable: the version's manifest, the deltas,
and the working rows of its files. What is read waits here until the caller commits. Three
failures have different errors: a file that cannot be read now, one that may not be taken, and a
store that cannot be written.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from pixd.folders import wholeness
from pixd.images.formats import looks_whole
from pixd.store.commits import Change, summary
from pixd.store.exclusions import EXCLUDED
from pixd.store.files import HashedFile, KnownFile
from pixd.store.objects import SourceError
from pixd.store.states import FileState
from pixd.system import crash_points, safe_open, stamps
from pixd.system.children import confinement
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.folders.settle import Ready
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.system.stamps import FileStamp

REFUSED = KnownFile(FileState.REJECTED, None, 0, 0, 0, 0, 0, is_racy=False)


class StillChangingError(Exception):
    """The file changed after it settled. `stamp` is the stamp that it has now."""

    def __init__(self, stamp: FileStamp) -> None:
        """Carry the stamp that the file has now."""
        super().__init__(stamp)
        self.stamp = stamp


class NotWholeError(Exception):
    """The file was taken early, but does not end as its format says: it must wait."""


class UnfinishedError(PixdError):
    """Somebody has not finished it yet, so it waits. The message is the reason."""


class RefusedError(PixdError):
    """The file is not taken. The message is the reason."""


class UnreadableError(PixdError):
    """The file cannot be read now, which says nothing about it. The message is the reason."""


class Recorder:
    """The repo of one watched folder, and what was read and not committed yet."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        kind: str,
        known: dict[str, KnownFile],
        max_file_bytes: int = confinement.FILE_BYTES,
    ) -> None:
        """Record into the repo of `pipeline` and `kind`, and keep `known` up to date."""
        self._max_file_bytes = max_file_bytes
        self.repo_id = store.history.repo_id(pipeline, kind)
        self.recorded = 0  # contents that came with a commit, new ones and changed ones
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._known = known
        self._hashed: dict[str, HashedFile] = {}
        self._refused: dict[str, str] = {}
        self._objects: dict[str, StoredObject] = {}

    def __len__(self) -> int:
        """Return how many files wait for the commit."""
        return len(self._hashed) + len(self._refused)

    def has_read(self, name: str, stamp: FileStamp) -> bool:
        """Tell whether a file was read under this stamp and waits for the commit."""
        file = self._hashed.get(name)
        return file is not None and file.stamp == stamp

    def drop(self, name: str) -> None:
        """Forget a file that was read or refused: it is gone, or is another file now."""
        self._hashed.pop(name, None)
        self._refused.pop(name, None)

    def clear(self) -> None:
        """Forget all that was read and not committed; the folder still has it."""
        self._hashed.clear()
        self._refused.clear()
        self._objects.clear()

    def refuse(self, name: str, reason: str) -> None:
        """Take a file out of the head, because its name now holds what cannot be taken."""
        self._hashed.pop(name, None)
        self._refused[name] = reason

    def read(self, root: Path, ready: Ready, *, is_racy: bool, may_be_open: bool = False) -> None:
        """Copy a settled file into the object store, hashing it on the way.

        Args:
            root: the watched folder.
            ready: the file.
            is_racy: it changed so recently that the same stamp may hide a later change.
            may_be_open: take it even if a program has it open for writing.

        Raises:
            FileNotFoundError: it is gone.
            StillChangingError: it is being written to.
            NotWholeError: it must wait for the full time.
            UnfinishedError: it must wait until its writer is done.
            RefusedError: it may not be read.
            UnreadableError: it cannot be read now.
            RootGoneError: the whole folder cannot be read.
            OSError: the store cannot be written.
        """
        try:
            fd = safe_open.open_regular(root, ready.name)
        except (FileNotFoundError, safe_open.RootGoneError):
            raise
        except OSError as error:
            raise _unreadable(error) from error
        except PixdError as error:
            raise RefusedError(error.message) from error
        try:
            self._check_whole(root, fd, ready, may_be_open=may_be_open)
            self._read(fd, ready, is_racy=is_racy)
        finally:
            os.close(fd)

    def _check_whole(self, root: Path, fd: int, ready: Ready, *, may_be_open: bool) -> None:
        """Check that nothing shows that the file is unfinished (`pixd.folders.wholeness`)."""
        try:
            size = os.fstat(fd).st_size
            if size >= wholeness.LARGE and (sidecar := wholeness.sidecar_of(root, ready.name)):
                raise UnfinishedError(f"unfinished: {sidecar} is beside it")
            if not may_be_open and wholeness.being_written(fd):
                raise UnfinishedError("a program has it open for writing")
            missing = wholeness.missing_part(fd, size)
            os.lseek(fd, 0, os.SEEK_SET)
        except OSError as error:
            raise _unreadable(error) from error
        if missing and ready.early:
            raise NotWholeError
        if missing:
            raise RefusedError(missing)

    def _read(self, fd: int, ready: Ready, *, is_racy: bool) -> None:
        try:
            before = stamps.stamp_of_descriptor(fd)
            if before != ready.stamp:  # written to without an event
                raise StillChangingError(before)
            if before.size > self._max_file_bytes:
                limit = self._max_file_bytes // 2**20
                raise RefusedError(f"{before.size} bytes is over the limit of {limit} MiB")
            if ready.early and not looks_whole(fd, before.size):
                raise NotWholeError
        except OSError as error:
            raise _unreadable(error) from error
        crash_points.crash_point("settled")
        try:
            stored = self._store.objects.take(fd)
        except SourceError as error:
            raise _unreadable(error) from error
        crash_points.crash_point("hashed")
        after = stamps.stamp_of_descriptor(fd)
        if after != before:
            raise StillChangingError(after)
        self._objects[stored.digest] = stored
        self._hashed[ready.name] = HashedFile(ready.name, stored.digest, before, is_racy)

    def commit(self, gone: list[str]) -> bool:
        """Write as one commit what was read, and which files are gone.

        Args:
            gone: names that are no longer in the folder.

        Returns:
            Whether any content changed; new stamps of the same bytes make no commit.
        """
        store = self._store
        known = self._known
        excluded = store.exclusions.of(self._pipeline)
        recalled = [f for f in self._hashed.values() if f.digest in excluded]
        for file in recalled:
            del self._hashed[file.name]
        dropped = [name for name in gone if name in known]
        before = {name: known[name].digest for name in (*self._hashed, *dropped) if name in known}
        same = [file for name, file in self._hashed.items() if before.get(name) == file.digest]
        fresh = [file for name, file in self._hashed.items() if before.get(name) != file.digest]
        changes = [Change(file.name, before.get(file.name), file.digest) for file in fresh]
        changes += [Change(name, before[name], None) for name in dropped if before[name]]
        changes += [
            Change(name, known[name].digest, None)
            for name in (*(file.name for file in recalled), *self._refused)
            if known[name].digest
        ]
        resting = FileState.RECORDED if self._kind == "training" else FileState.QUEUED
        change_id = secrets.token_hex(5)
        store.objects.flush()
        with store.transaction():
            store.working.refresh(self.repo_id, same, resting)
            store.history.add_objects(self._objects.values(), "application/octet-stream")
            store.working.record(self.repo_id, (*fresh, *recalled), resting, change_id)
            store.working.exclude(self.repo_id, [file.name for file in recalled], EXCLUDED)
            for name, why in self._refused.items():
                store.working.exclude(self.repo_id, [name], why)
            store.working.forget(self.repo_id, dropped)
            if self._kind == "input" and (dropped or self._refused):
                store.outputs.orphan(self._pipeline, [*dropped, *self._refused])
            if changes:
                store.write_commit(
                    self._pipeline,
                    self._kind,
                    changes,
                    change_id=change_id,
                    reason=summary(changes),
                    objects=self._objects,
                )
        crash_points.crash_point("after-commit")
        self.recorded += len(fresh)
        for file in (*fresh, *same):
            known[file.name] = _known(file, resting)
        for file in recalled:
            known[file.name] = _known(file, FileState.REJECTED)._replace(digest=None)
        for name in self._refused:
            known[name] = REFUSED
        for name in dropped:
            del known[name]
        self.clear()
        return bool(changes)


def _known(file: HashedFile, state: FileState) -> KnownFile:
    return KnownFile(
        state,
        file.digest,
        file.stamp.size,
        file.stamp.mtime_ns,
        file.stamp.ctime_ns,
        file.stamp.device,
        file.stamp.inode,
        is_racy=file.is_racy,
    )


def _unreadable(error: OSError) -> UnreadableError:
    return UnreadableError(f"cannot be read: {error.strerror or error}")
