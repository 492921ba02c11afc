"""Commits and versions: what was in a folder, since when, and why.

Rows here never change; triggers refuse it. The hash of a commit covers its own facts and its
parent's hash, so that `pixd verify` finds a changed row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store import manifests
from pixd.store.states import BytesState
from pixd.system import crash_points
from pixd.system.clock import utc_now
from pixd.system.digests import canonical_json, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlite_utils import Database

    from pixd.store.files import WorkingFiles
    from pixd.store.objects import ObjectStore, StoredObject


class Commit(NamedTuple):
    """One commit of a repo."""

    id: int
    seq: int
    version: str
    change_id: str
    chain: str


class Change(NamedTuple):
    """What a commit does to one path. None means that there is no file before, or after."""

    path: str
    old_digest: str | None
    new_digest: str | None


class History:
    """The tables `repo`, `object`, `version`, `commit` and `commit_change`."""

    def __init__(self, db: Database, objects: ObjectStore) -> None:
        """Work on the tables of `db`, the writer's connection, and keep bytes in `objects`."""
        self._db = db
        self._objects = objects

    def repo_id(self, pipeline: str, kind: str) -> int:
        """Return the id of a repo, making the row at first use."""
        self._db.execute(
            "INSERT INTO repo (pipeline, kind) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (pipeline, kind),
        )
        row = self._db.conn.execute(
            "SELECT id FROM repo WHERE pipeline = ? AND kind = ?", (pipeline, kind)
        ).fetchone()
        return int(row[0])

    def add_objects(self, objects: Iterable[StoredObject], media_type: str) -> None:
        """Record bytes that are on disk in the object store. Join the caller's transaction."""
        now = utc_now()
        rows = [(stored.digest, stored.size_bytes, media_type, now) for stored in objects]
        self._db.conn.executemany(
            "INSERT INTO object VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows
        )
        self._db.conn.executemany(
            f"INSERT INTO object_bytes VALUES (?, '{BytesState.PRESENT}', ?) ON CONFLICT (digest)"
            f" DO UPDATE SET state = '{BytesState.PRESENT}', changed_at = excluded.changed_at"
            f" WHERE state <> '{BytesState.PRESENT}'",
            [(row[0], now) for row in rows],
        )
        # The bytes arrived again, so an older copy in the trash is of no use.
        self._db.conn.executemany("DELETE FROM trash WHERE digest = ?", [(row[0],) for row in rows])

    def head(self, repo_id: int) -> Commit | None:
        """Return the newest commit of a repo."""
        row = self._db.conn.execute(
            'SELECT id, seq, version, change_id, chain FROM "commit" WHERE repo_id = ?'
            " ORDER BY seq DESC LIMIT 1",
            (repo_id,),
        ).fetchone()
        return Commit(*row) if row else None

    def numbered(self, repo_id: int, seq: int) -> Commit | None:
        """Return a commit of a repo by its number."""
        row = self._db.conn.execute(
            'SELECT id, seq, version, change_id, chain FROM "commit" WHERE repo_id = ? AND seq = ?',
            (repo_id, seq),
        ).fetchone()
        return Commit(*row) if row else None

    def last_commit_at(self, repo_id: int) -> str | None:
        """Return when the newest commit of a repo was made."""
        row = self._db.conn.execute(
            'SELECT committed_at FROM "commit" WHERE repo_id = ? ORDER BY seq DESC LIMIT 1',
            (repo_id,),
        ).fetchone()
        return str(row[0]) if row else None

    def prepare_version(
        self, repo_id: int, changes: Iterable[Change], working: WorkingFiles
    ) -> manifests.Manifest:
        """Write the manifest objects of the working head. Call inside the commit's transaction.

        The bytes must be flushed before that transaction ends.
        """
        parent = self.head(repo_id)
        if parent:
            row = self._db.conn.execute(
                "SELECT digest, files, bytes FROM version WHERE digest = ?", (parent.version,)
            ).fetchone()
            updated = manifests.update(
                self._objects,
                manifests.Manifest(*row),
                (change.path for change in changes),
                lambda bucket: working.head_bucket(repo_id, bucket),
            )
            if updated:
                return updated
        return manifests.write(self._objects, working.head(repo_id))

    def commit(
        self,
        repo_id: int,
        manifest: manifests.Manifest,
        changes: list[Change],
        *,
        change_id: str,
        reason: str,
        objects: Mapping[str, StoredObject],
    ) -> Commit:
        """Write one commit. Join the caller's transaction, after the bytes are durable."""
        conn = self._db.conn
        parent = self.head(repo_id)
        seq = parent.seq + 1 if parent else 1
        now = utc_now()
        self.add_objects(objects.values(), "application/octet-stream")
        size = self._objects.path_of(manifest.digest).stat().st_size
        conn.execute(
            "INSERT INTO object VALUES (?, ?, 'text/x-pixd-manifest', ?) ON CONFLICT DO NOTHING",
            (manifest.digest, size, now),
        )
        conn.execute(
            f"INSERT INTO object_bytes VALUES (?, '{BytesState.PRESENT}', ?) ON CONFLICT DO NOTHING",
            (manifest.digest, now),
        )
        conn.execute("INSERT INTO version VALUES (?, ?, ?) ON CONFLICT DO NOTHING", manifest)
        added = sum(change.old_digest is None for change in changes)
        removed = sum(change.new_digest is None for change in changes)
        chain = chain_hash(
            parent.chain if parent else "", repo_id, seq, manifest.digest, change_id, reason, now
        )
        cursor = conn.execute(
            'INSERT INTO "commit" (repo_id, seq, parent_id, version, change_id, reason, added,'
            " changed, removed, committed_at, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                repo_id,
                seq,
                parent.id if parent else None,
                manifest.digest,
                change_id,
                reason,
                added,
                len(changes) - added - removed,
                removed,
                now,
                chain,
            ),
        )
        commit_id = cursor.lastrowid
        assert commit_id is not None  # an INSERT always has one
        conn.executemany(
            "INSERT INTO commit_change VALUES (?, ?, ?, ?)",
            [(commit_id, change.path, change.old_digest, change.new_digest) for change in changes],
        )
        crash_points.crash_point("before-commit")
        return Commit(commit_id, seq, manifest.digest, change_id, chain)


def chain_hash(
    parent: str, repo_id: int, seq: int, version: str, change_id: str, reason: str, at: str
) -> str:
    """Return the hash that binds a commit's facts to its parent's hash ("" for the first)."""
    facts = [parent, repo_id, seq, version, change_id, reason, at]
    return digest_of(canonical_json(facts).encode())


def summary(changes: list[Change]) -> str:
    """Say what a commit does, as "+3, ~1, -2 files"."""
    added = sum(change.old_digest is None for change in changes)
    removed = sum(change.new_digest is None for change in changes)
    counts = {"+": added, "~": len(changes) - added - removed, "-": removed}
    parts = ", ".join(f"{sign}{count}" for sign, count in counts.items() if count)
    return f"{parts} file{'s' * (len(changes) != 1)}"
