"""The files of the watched folders now: each in exactly one state, with a reason.

These rows change with the folder; history is in `pixd.store.commits`. While a file settles again,
its row keeps the digest of the last commit. So the head of a repo is always "the rows with a
digest".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixd.store import manifests
from pixd.store.exclusions import EXCLUDED
from pixd.store.file_rows import DueInput, FoundFile, RecordedFile
from pixd.store.known_file import NO_STAMP, KnownFile
from pixd.store.output_names import RENAME_ONE, output_name_sql
from pixd.store.states import SETTLED_FILES, FileState
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlite_utils import Database

    from pixd.system.stamps import FileStamp

RACY_NS = 2_000_000_000
"""A file that is hashed less than this after its last change is hashed once more: a later change in
the same clock tick would not show. Git calls such an entry racy. Ext4's tick is 4 ms, FAT's 2 s."""


class HashedFile(NamedTuple):
    """A file that settled and was read: its name, content and the stamp that it was read under.

    `is_racy`: it had been unchanged for less than `RACY_NS`, so it must be read once more.
    """

    name: str
    digest: str
    stamp: FileStamp
    is_racy: bool

    @property
    def hashed_at_ns(self) -> int:
        """When it was read, by the clock that stamped the file.

        The system's clock is not used: if it was set since, or if the file's time lies in the
        future, the file would be racy for ever, or never.
        """
        return self.stamp.ctime_ns + (0 if self.is_racy else RACY_NS)

    @property
    def stamp_columns(self) -> tuple[int, ...]:
        """The columns size_bytes, mtime_ns, ctime_ns, inode, device and hashed_at_ns."""
        return (*self.stamp.numbers, self.hashed_at_ns)


_KNOWN = (
    "state, digest, size_bytes, mtime_ns, ctime_ns, inode, device,"
    " digest IS NOT NULL AND hashed_at_ns - ctime_ns < ?"
)


class WorkingFiles:
    """The table `file`."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def load(self, repo_id: int) -> dict[str, KnownFile]:
        """Return every known file of a repo by name."""
        rows = self._db.conn.execute(
            f"SELECT path, {_KNOWN} FROM file WHERE repo_id = ?", (RACY_NS, repo_id)
        )
        return {row[0]: KnownFile.of_row(row[1:]) for row in rows}

    def mark_settling(self, repo_id: int, names: Iterable[str]) -> None:
        """Mark files as new or changing; a committed digest stays until another replaces it."""
        now = utc_now()
        with transaction(self._db):
            self._db.conn.executemany(
                "INSERT INTO file (repo_id, path, bucket, state, seen_at)"
                f" VALUES (?, ?, ?, '{FileState.SETTLING}', ?) ON CONFLICT (repo_id, path) DO UPDATE SET"
                f" state = '{FileState.SETTLING}', reason = '', attempts = 0, retry_at = NULL",
                ((repo_id, name, manifests.bucket_of(name), now) for name in names),
            )

    def postpone(self, repo_id: int, waiting: Mapping[str, tuple[str, str | None]]) -> None:
        """Keep files that cannot be read in the state settling. Their old content stays known.

        Args:
            repo_id: the repo that the files belong to.
            waiting: by name: why it waits, and when it is tried again.
        """
        now = utc_now()
        with transaction(self._db):
            self._db.conn.executemany(
                "INSERT INTO file (repo_id, path, bucket, state, reason, attempts, retry_at,"
                f" seen_at) VALUES (?, ?, ?, '{FileState.SETTLING}', ?, 1, ?, ?) ON CONFLICT (repo_id, path)"
                f" DO UPDATE SET state = '{FileState.SETTLING}', reason = excluded.reason,"
                " attempts = attempts + 1, retry_at = excluded.retry_at",
                [
                    (repo_id, name, manifests.bucket_of(name), why, retry_at, now)
                    for name, (why, retry_at) in waiting.items()
                ],
            )

    def record(
        self, repo_id: int, files: Iterable[HashedFile], state: FileState, change_id: str
    ) -> None:
        """Write digest, stamp and state of files that were read. Join the commit's transaction."""
        self._db.conn.executemany(
            "UPDATE file SET state = ?, reason = '', digest = ?, size_bytes = ?, mtime_ns = ?,"
            " ctime_ns = ?, inode = ?, device = ?, hashed_at_ns = ?, attempts = 0,"
            " retry_at = NULL, change_id = ? WHERE repo_id = ? AND path = ?",
            [
                (state, file.digest, *file.stamp_columns, change_id, repo_id, file.name)
                for file in files
            ],
        )

    def refresh(self, repo_id: int, files: Iterable[HashedFile], resting: FileState) -> None:
        """Record new stamps of files whose bytes are the same; settling ones go to `resting`."""
        with transaction(self._db):
            self._db.conn.executemany(
                f"UPDATE file SET reason = iif(state = '{FileState.SETTLING}', '', reason),"
                f" attempts = iif(state = '{FileState.SETTLING}', 0, attempts),"
                f" retry_at = iif(state = '{FileState.SETTLING}', NULL, retry_at),"
                f" state = iif(state = '{FileState.SETTLING}', ?, state), size_bytes = ?,"
                " mtime_ns = ?, ctime_ns = ?, inode = ?, device = ?, hashed_at_ns = ?"
                " WHERE repo_id = ? AND path = ?",
                [(resting, *file.stamp_columns, repo_id, file.name) for file in files],
            )

    def exclude(self, repo_id: int, names: Iterable[str], reason: str) -> None:
        """Remove files from the head, in any state; their stamps stay known."""
        self._db.conn.executemany(
            f"UPDATE file SET state = '{FileState.REJECTED}', reason = ?, digest = NULL, retry_at = NULL"
            " WHERE repo_id = ? AND path = ?",
            [(reason, repo_id, name) for name in names],
        )

    def reread_excluded(self, repo_id: int) -> None:
        """Make files settle again whose content was excluded, so that they are read again."""
        self._db.conn.execute(
            f"UPDATE file SET state = '{FileState.SETTLING}', reason = '' WHERE repo_id = ?"
            f" AND state = '{FileState.REJECTED}' AND digest IS NULL AND reason = ?",
            (repo_id, EXCLUDED),
        )

    def refuse(
        self,
        repo_id: int,
        reasons: Mapping[str, str],
        stamps: Mapping[str, FileStamp] | None = None,
    ) -> None:
        """Mark files that are not taken as rejected, with why.

        Args:
            repo_id: of the folder.
            reasons: why, by name.
            stamps: of those that were read, the stamps under which they were.
        """
        now, of = utc_now(), stamps or {}
        with transaction(self._db):
            self._db.conn.executemany(
                "INSERT INTO file (repo_id, path, bucket, state, reason, seen_at,"
                " size_bytes, mtime_ns, ctime_ns, inode, device)"
                f" VALUES (?, ?, ?, '{FileState.REJECTED}', ?, ?, ?, ?, ?, ?, ?)"
                f" ON CONFLICT (repo_id, path) DO UPDATE SET state = '{FileState.REJECTED}',"
                " reason = excluded.reason, size_bytes = excluded.size_bytes, mtime_ns ="
                " excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode,"
                " device = excluded.device",
                [
                    (repo_id, n, manifests.bucket_of(n), why, now, *of.get(n, NO_STAMP).numbers)
                    for n, why in reasons.items()
                ],
            )

    def refused(self, repo_id: int) -> list[str]:
        """Return the files that were rejected without being recorded; recalled ones were."""
        rows = self._db.conn.execute(
            f"SELECT path FROM file WHERE repo_id = ? AND state = '{FileState.REJECTED}'"
            " AND digest IS NULL AND hashed_at_ns = 0",
            (repo_id,),
        )
        return [row[0] for row in rows]

    def forget(self, repo_id: int, names: Iterable[str]) -> None:
        """Drop the rows of files that are gone."""
        with transaction(self._db):
            self._db.conn.executemany(
                "DELETE FROM file WHERE repo_id = ? AND path = ?",
                [(repo_id, name) for name in names],
            )

    def set_state(
        self,
        repo_id: int,
        names: Iterable[str],
        state: FileState,
        reason: str = "",
        *,
        retry_at: str | None = None,
        count_attempt: bool = False,
        if_in: Sequence[FileState] = SETTLED_FILES,
    ) -> None:
        """Move files to a state, unless they began to change meanwhile."""
        marks = ", ".join("?" * len(if_in))
        with transaction(self._db):
            self._db.conn.executemany(
                "UPDATE file SET state = ?, reason = ?, retry_at = ?, attempts = attempts + ?"
                f" WHERE repo_id = ? AND path = ? AND state IN ({marks})",
                [(state, reason, retry_at, int(count_attempt), repo_id, n, *if_in) for n in names],
            )

    def requeue_with_free_name(self, repo_id: int) -> None:
        """Queue the inputs that were refused for another input's name, where that one is gone."""
        self._db.conn.execute(
            f"UPDATE file SET state = '{FileState.QUEUED}', reason = '', attempts = 0, retry_at = NULL"
            f" WHERE repo_id = ? AND state = '{FileState.REJECTED}' AND digest IS NOT NULL"
            " AND reason LIKE ? AND NOT EXISTS (SELECT 1 FROM file AS other"
            f" WHERE other.repo_id = file.repo_id AND other.path = {output_name_sql('file.path', 1, 1)})",
            (repo_id, f"%{RENAME_ONE}"),
        )

    def finish(
        self, repo_id: int, name: str, digest: str, state: FileState, reason: str = ""
    ) -> None:
        """Move one file to its final state, if it still has the content that was worked on."""
        self._db.conn.execute(
            "UPDATE file SET state = ?, reason = ?, retry_at = NULL"
            f" WHERE repo_id = ? AND path = ? AND digest = ? AND state <> '{FileState.SETTLING}'",
            (state, reason, repo_id, name, digest),
        )

    def recorded(self, repo_id: int, states: Sequence[FileState]) -> list[RecordedFile]:
        """Return the files with content that are in the given states, by name."""
        marks = ", ".join("?" * len(states))
        rows = self._db.conn.execute(
            "SELECT path, digest, state, reason FROM file WHERE repo_id = ? AND state IN"
            f" ({marks}) AND digest IS NOT NULL ORDER BY path",
            (repo_id, *states),
        )
        return [RecordedFile(row[0], row[1], FileState.of(row[2]), row[3]) for row in rows]

    def head(self, repo_id: int) -> dict[str, manifests.Entry]:
        """Return the files that the next commit consists of."""
        rows = self._db.conn.execute(
            "SELECT path, digest, size_bytes FROM file WHERE repo_id = ? AND digest IS NOT NULL",
            (repo_id,),
        )
        return {row[0]: manifests.Entry(row[1], row[2]) for row in rows}

    def head_bucket(self, repo_id: int, bucket: str) -> dict[str, manifests.Entry]:
        """Return one bucket of `head`."""
        rows = self._db.conn.execute(
            # Without statistics SQLite would read the whole folder by its primary key.
            "SELECT path, digest, size_bytes FROM file INDEXED BY file_by_bucket"
            " WHERE repo_id = ? AND bucket = ? AND digest IS NOT NULL",
            (repo_id, bucket),
        )
        return {row[0]: manifests.Entry(row[1], row[2]) for row in rows}

    def counts(self, repo_id: int) -> dict[FileState, int]:
        """Return the number of files by state; a state that no file is in is left out."""
        rows = self._db.conn.execute(
            "SELECT state, files FROM file_total WHERE repo_id = ? AND files <> 0", (repo_id,)
        )
        return {FileState.of(row[0]): row[1] for row in rows}

    def due_inputs(
        self, repo_id: int, limit: int, now: str, latest: str = "9999"
    ) -> list[DueInput]:
        """Return queued inputs: those in name order that never failed, then due retries.

        A retry time after `latest` was written before the clock was set back, so it is due too.
        The cost depends on `limit`, not on how many are queued.
        """
        due: list[DueInput] = []
        for condition, order, values in (
            ("IS NULL", "path", ()),
            ("<= ?", "retry_at, path", (now,)),
            ("> ?", "retry_at, path", (latest,)),
        ):
            rows = self._db.conn.execute(
                # Without statistics SQLite would read the whole folder by its primary key.
                "SELECT path, digest, attempts, change_id, ctime_ns FROM file INDEXED BY file_due"
                f" WHERE repo_id = ? AND state = '{FileState.QUEUED}' AND retry_at {condition}"
                f" AND digest IS NOT NULL ORDER BY {order} LIMIT ?",
                (repo_id, *values, limit - len(due)),
            )
            due += [DueInput(*row) for row in rows]
        return due

    def has_queued(self, repo_id: int, *, for_retry: bool = False) -> bool:
        """Return whether an input is queued; with `for_retry`, one that failed before."""
        condition = " AND retry_at IS NOT NULL" if for_retry else ""
        row = self._db.conn.execute(
            f"SELECT 1 FROM file INDEXED BY file_due WHERE repo_id = ? AND state = '{FileState.QUEUED}'"
            f"{condition} LIMIT 1",
            (repo_id,),
        ).fetchone()
        return row is not None

    def with_digest(self, repo_id: int, digest: str) -> list[str]:
        """Return the names of the files of the head that have this content."""
        rows = self._db.conn.execute(
            "SELECT path FROM file WHERE digest = ? AND repo_id = ? ORDER BY path",
            (digest, repo_id),
        )
        return [row[0] for row in rows]

    def retry(self, repo_id: int, names: Sequence[str], change_id: str) -> list[str]:
        """Make rejected or failed files due again; return which were.

        The verdicts about their contents are removed, so that they are examined again.
        """
        retried = []
        with transaction(self._db):
            for name in names:
                row = self._db.conn.execute(
                    "SELECT state, digest, retry_at FROM file WHERE repo_id = ? AND path = ?",
                    (repo_id, name),
                ).fetchone()
                if row is None or (
                    row[0] not in {FileState.REJECTED, FileState.FAILED} and row[2] is None
                ):
                    continue
                retried.append(name)
                if row[1] is None or row[0] == FileState.SETTLING:  # never read, or changed since
                    self.mark_settling(repo_id, [name])
                    continue
                self._db.conn.execute("DELETE FROM verdict WHERE digest = ?", (row[1],))
                self._db.conn.execute(
                    "UPDATE file SET state = iif((SELECT kind FROM repo WHERE id = ?1) = 'input',"
                    f" '{FileState.QUEUED}', '{FileState.RECORDED}'), reason = '', attempts = 0, retry_at = NULL,"
                    " change_id = ?3 WHERE repo_id = ?1 AND path = ?2",
                    (repo_id, name, change_id),
                )
        return retried

    def unfinished(self, repo_id: int) -> list[str]:
        """Return the files whose work failed or waits to be tried again."""
        rows = self._db.conn.execute(
            f"SELECT path FROM file WHERE repo_id = ? AND (state = '{FileState.FAILED}' OR"
            f" (state IN ('{FileState.QUEUED}', '{FileState.SETTLING}') AND retry_at IS NOT NULL)) ORDER BY path",
            (repo_id,),
        )
        return [row[0] for row in rows]

    def rejected_for(self, repo_id: int, reason: str) -> list[str]:
        """Return the files that were refused for exactly this reason."""
        rows = self._db.conn.execute(
            f"SELECT path FROM file WHERE repo_id = ? AND state = '{FileState.REJECTED}' AND reason = ?"
            " ORDER BY path",
            (repo_id, reason),
        )
        return [row[0] for row in rows]

    def find(self, repo_id: int, name: str) -> FoundFile | None:
        """Return what is known of one file."""
        row = self._db.conn.execute(
            "SELECT state, digest, attempts FROM file WHERE repo_id = ? AND path = ?",
            (repo_id, name),
        ).fetchone()
        return FoundFile(FileState.of(row[0]), row[1], row[2]) if row else None

    def verdicts(self, digests: Iterable[str], layout: str) -> dict[str, tuple[bool, str]]:
        """Return what was decided before about contents under a layout: (accepted, reason)."""
        found: dict[str, tuple[bool, str]] = {}
        for digest in digests:
            row = self._db.conn.execute(
                "SELECT accepted, reason FROM verdict WHERE digest = ? AND layout = ?",
                (digest, layout),
            ).fetchone()
            if row:
                found[digest] = (bool(row[0]), row[1])
        return found

    def decide(
        self, digest: str, layout: str, reason: str, width_px: int | None, height_px: int | None
    ) -> None:
        """Record a verdict about a content; an empty reason accepts it."""
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?, ?, ?)",
                (digest, layout, int(not reason), reason, width_px, height_px, utc_now()),
            )
