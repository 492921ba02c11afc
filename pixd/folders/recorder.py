"""Read each settled file once, hash exactly the bytes that are kept, and write commits.

A commit is one transaction after its bytes are durable: the version's manifest, the deltas,
and the working rows of its files. What is read waits here until the caller commits. Three
failures have different errors: a file that cannot be read now, one that may not be taken
(`pixd.folders.copying`), and a store that cannot be written.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING, NamedTuple

from pixd.folders import copying
from pixd.folders.one_file import is_of_one_file
from pixd.store.commits import Change, summary
from pixd.store.exclusions import EXCLUDED
from pixd.store.files import HashedFile
from pixd.store.known_file import KnownFile
from pixd.store.objects import SourceError
from pixd.store.states import FileState
from pixd.system import crash_points, safe_open
from pixd.system.children import confinement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pixd.folders.settle import Ready
    from pixd.store.objects import StoredObject
    from pixd.store.store import Store
    from pixd.system.children.folder_calls import FolderCalls
    from pixd.system.stamps import FileStamp

REFUSED = KnownFile(FileState.REJECTED)


class Committed(NamedTuple):
    """The result of one commit.

    Attributes:
        has_changed: any content is new, changed or gone.
        ends_removals: removals were recorded, and no more of them follow.
    """

    has_changed: bool
    ends_removals: bool


class Recorder:
    """The repo of one watched folder, and what was read and not committed yet."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        kind: str,
        known: dict[str, KnownFile],
        max_file_bytes: int = confinement.FILE_BYTES,
        calls: FolderCalls | None = None,
    ) -> None:
        """Record into the repo of `pipeline` and `kind`, and keep `known` up to date.

        `calls`: where the folder may hang, files are copied through these.
        """
        self._calls = calls
        self._max_file_bytes = max_file_bytes
        self.repo_id = store.history.repo_id(pipeline, kind)
        self.recorded = 0  # contents that came with a commit, new ones and changed ones
        self.came = 0  # names among them that had none before
        self._store = store
        self._pipeline = pipeline
        self._kind = kind
        self._known = known
        self._hashed: dict[str, HashedFile] = {}
        self._refused: dict[str, tuple[str, KnownFile]] = {}
        self._objects: dict[str, StoredObject] = {}
        self.failed: dict[str, tuple[str, FileStamp | None]] = {}
        """What the last commit left out, with the reason and the stamp that it was read under."""

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

    def refuse(self, name: str, reason: str, stamp: FileStamp | None = None) -> None:
        """Take a file out of the head, because its name now holds what cannot be taken.

        Args:
            name: name text.
            reason: why.
            stamp: the one that it was refused under, or None if there is no file at all.
        """
        self._hashed.pop(name, None)
        self._refused[name] = (reason, REFUSED if stamp is None else refused_as(stamp))

    def read(self, root: Path, ready: Ready, *, is_racy: bool) -> None:
        """Copy a settled file into the object store, hashing it on the way.

        Args:
            root: the watched folder.
            ready: the file.
            is_racy: it changed so recently that the same stamp may hide a later change.

        Raises:
            FileNotFoundError: it is gone.
            StillChangingError: it is being written to.
            NotWholeError: it must wait for the full time.
            RefusedError: it may not be read.
            UnreadableError: it cannot be read now.
            RootGoneError: the whole folder cannot be read.
            NotAnsweringError: it is being copied; ask again.
            OSError: the store cannot be written.
        """
        if self._calls is not None and self._calls.network:
            before, stored = self._fetch(root, ready, self._calls)
        else:
            before, stored = self._take(root, ready)
        self._objects[stored.digest] = stored
        self._hashed[ready.name] = HashedFile(ready.name, stored.digest, before, is_racy)

    def _take(self, root: Path, ready: Ready) -> tuple[FileStamp, StoredObject]:
        fd, before = copying.open_settled(root, ready, self._max_file_bytes)
        try:
            crash_points.crash_point("settled")
            try:
                stored = self._store.objects.take(fd)
            except SourceError as error:
                raise copying.unreadable(error) from error
            crash_points.crash_point("hashed")
            copying.check_unchanged(fd, before)
        finally:
            os.close(fd)
        return before, stored

    def _fetch(
        self, root: Path, ready: Ready, calls: FolderCalls
    ) -> tuple[FileStamp, StoredObject]:
        # The name follows from the file, so that the same call, made again, gets its answer.
        about = f"{self.repo_id}\0{ready.name}\0{ready.stamp!r}".encode(errors="surrogateescape")
        target = self._store.scratch / f"copy-{hashlib.sha256(about).hexdigest()[:24]}"
        target.parent.mkdir(parents=True, exist_ok=True)
        before = calls.call(copying.copy_settled, root, ready, self._max_file_bytes, target)
        return before, self._store.objects.adopt(target)

    def commit(self, gone: Mapping[str, str]) -> bool:
        """Write as one commit what was read, and which files are gone.

        Args:
            gone: names that are no longer files of the folder. Each has the reason why what is
                there instead may not be taken, or "".

        Returns:
            Whether any content changed; new stamps of the same bytes make no commit. What could
            not be written for a fault of its own is in `failed`; all else is committed.

        Raises:
            OSError, sqlite3.Error: the store's disk refuses.
        """
        self.failed = {}
        return self._commit_apart(self._hashed, self._refused, gone, self._objects)

    def _commit_apart(
        self,
        hashed: Mapping[str, HashedFile],
        refused: Mapping[str, tuple[str, KnownFile]],
        gone: Mapping[str, str],
        objects: Mapping[str, StoredObject],
    ) -> bool:
        """Commit all; if something in it is at fault, each half for itself, until it is found."""
        self._hashed, self._refused, self._objects = dict(hashed), dict(refused), dict(objects)
        try:
            return self._commit(gone)
        except Exception as error:
            if not is_of_one_file(error):
                raise
            names = [*dict.fromkeys((*hashed, *refused, *gone))]
            self.clear()
            if len(names) == 1:
                file = hashed.get(names[0])
                self.failed[names[0]] = (safe_open.surprise(error), file.stamp if file else None)
                return False
        middle = len(names) // 2
        has_changed = False
        for half in (set(names[:middle]), set(names[middle:])):
            files = {name: file for name, file in hashed.items() if name in half}
            digests = {file.digest for file in files.values()}
            has_changed |= self._commit_apart(
                files,
                {name: why for name, why in refused.items() if name in half},
                {name: why for name, why in gone.items() if name in half},
                {digest: one for digest, one in objects.items() if digest in digests},
            )
        return has_changed

    def _commit(self, gone: Mapping[str, str]) -> bool:
        store = self._store
        known = self._known
        excluded = store.exclusions.of(self._pipeline)
        recalled = [f for f in self._hashed.values() if f.digest in excluded]
        for file in recalled:
            del self._hashed[file.name]
        for name in [name for name, instead in gone.items() if instead and name in known]:
            self.refuse(name, gone[name])
        dropped = [name for name, instead in gone.items() if name in known and not instead]
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
            for name, (why, _) in self._refused.items():
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
        self.came += sum(before.get(file.name) is None for file in fresh)
        for file in (*fresh, *same):
            known[file.name] = _known(file, resting)
        for file in recalled:
            known[file.name] = KnownFile(FileState.REJECTED, None, file.stamp, is_racy=file.is_racy)
        for name, (_, refused) in self._refused.items():
            known[name] = refused
        for name in dropped:
            del known[name]
        self.clear()
        return bool(changes)


def refused_as(stamp: FileStamp) -> KnownFile:
    """Return what is known of a file that was refused under a stamp. A restart forgets it."""
    return KnownFile(FileState.REJECTED, None, stamp)


def _known(file: HashedFile, state: FileState) -> KnownFile:
    return KnownFile(state, file.digest, file.stamp, is_racy=file.is_racy)
