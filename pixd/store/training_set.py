"""What is known of training pictures beyond their bytes: verdicts, measures, kin, findings.

Verdicts and measures belong to a content and hold for every pipeline. Kin belongs to the pairs of
one pipeline. Care is what was last found about its training folder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store.file_rows import RecordedFile
from pixd.store.states import FileState
from pixd.store.transaction import transaction
from pixd.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlite_utils import Database

    from pixd.store.queries.training_set import KinRow


_LIGHT = 4  # the place of the mean among the numbers that are measured of a picture
_DARK = 64  # levels


class Looked(NamedTuple):
    """What the inspector found about a content.

    Attributes:
        reason: why it is refused; "" if it is not.
        width: pixels; None where it could not be decoded.
        height: pixels; as width.
        is_measured: whether its measures of the wanted revision are kept.
    """

    reason: str
    width: int | None
    height: int | None
    is_measured: bool


class Care:
    """The tables `measure`, `kin` and `care`, and `verdict` where it is about training."""

    def __init__(self, db: Database) -> None:
        """Work on the tables of `db`, the writer's connection."""
        self._db = db

    def folder(
        self, repo_id: int, states: Sequence[FileState], layout: str, revision: int
    ) -> tuple[list[RecordedFile], dict[str, Looked]]:
        """Return the files with content of a repo, by name, and what is known of each content.

        One statement reads both: a folder may have a hundred thousand files.

        Args:
            repo_id: the repo of a training folder.
            states: a file in another state is left out.
            layout: how the inspector looks at a file.
            revision: measures of another revision do not count.

        Returns:
            The files, and what the inspector found, by digest. A content that it never looked at
            is left out.
        """
        marks = ", ".join("?" * len(states))
        rows = self._db.conn.execute(
            "SELECT path, file.digest, file.state, file.reason, verdict.reason, width_px, height_px,"
            " measure.digest IS NOT NULL FROM file"
            " LEFT JOIN verdict ON verdict.digest = file.digest AND verdict.layout = ?"
            " LEFT JOIN measure ON measure.digest = file.digest AND measure.layout = ?"
            "   AND measure.revision = ?"
            f" WHERE repo_id = ? AND file.state IN ({marks}) AND file.digest IS NOT NULL"
            " ORDER BY path",
            (layout, layout, revision, repo_id, *states),
        )
        files: list[RecordedFile] = []
        looked: dict[str, Looked] = {}
        for name, digest, state, reason, refusal, width, height, is_measured in rows:
            files.append(RecordedFile(name, digest, FileState.of(state), reason))
            if refusal is not None:
                looked[digest] = Looked(refusal, width, height, bool(is_measured))
        return files, looked

    def measured(self, digest: str, layout: str, revision: int) -> str | None:
        """Return the measures of a content as JSON text, a list of its parts.

        It is None where there are none of this revision.
        """
        row = self._db.conn.execute(
            "SELECT body FROM measure WHERE digest = ? AND layout = ? AND revision = ?",
            (digest, layout, revision),
        ).fetchone()
        return str(row[0]) if row else None

    def measure(self, digest: str, layout: str, revision: int, parts: Sequence[Any]) -> None:
        """Keep the measures of a content."""
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT OR REPLACE INTO measure VALUES (?, ?, ?, ?)",
                (digest, layout, revision, json.dumps(parts, separators=(",", ":"))),
            )

    def without_values(self, layout: str, revision: int) -> set[str]:
        """Return the contents that an earlier pixd measured and that look dark.

        It did not measure which values their files use, and those may say why they are dark.
        """
        light = f"$[{{}}].stats[{_LIGHT}]"
        rows = self._db.conn.execute(
            "SELECT digest FROM measure WHERE layout = ? AND revision = ?"
            """ AND body NOT LIKE '%"values"%'"""
            " AND (json_extract(body, ?) < ? OR json_extract(body, ?) < ?)",
            (layout, revision, light.format(0), _DARK, light.format(1), _DARK),
        )
        return {row[0] for row in rows}

    def has_measured(self, layout: str) -> bool:
        """Tell whether there are measures of any content under a layout."""
        row = self._db.conn.execute(
            "SELECT EXISTS (SELECT 1 FROM measure WHERE layout = ?)", (layout,)
        ).fetchone()
        return bool(row[0])

    def measures_of(self, repo_id: int, layout: str) -> tuple[int, list[list[Any]]]:
        """Return how many inputs of a repo are translated, and the measures that these have."""
        (count,) = self._db.conn.execute(
            f"SELECT count(*) FROM file WHERE repo_id = ? AND state = '{FileState.TRANSLATED}'",
            (repo_id,),
        ).fetchone()
        rows = self._db.conn.execute(
            "SELECT measure.body FROM file JOIN measure ON measure.digest = file.digest"
            f" WHERE file.repo_id = ? AND file.state = '{FileState.TRANSLATED}'"
            " AND measure.layout = ?",
            (repo_id, layout),
        )
        return int(count), [json.loads(row[0]) for row in rows]

    def forget(self, digest: str) -> None:
        """Drop the measures of a content: it was recalled. Join the caller's transaction."""
        self._db.conn.execute("DELETE FROM measure WHERE digest = ?", (digest,))

    def add_kin(self, pipeline: str, layout: str, rows: Iterable[KinRow]) -> None:
        """Record what was decided about new pairs; earlier decisions stay."""
        with transaction(self._db):
            self._db.conn.executemany(
                "INSERT INTO kin VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (
                        pipeline,
                        layout,
                        row.pair,
                        row.anchor,
                        json.dumps(row.touches),
                        json.dumps(row.contents),
                        row.since,
                    )
                    for row in rows
                ],
            )

    def note(
        self,
        pipeline: str,
        basis: str,
        counts: tuple[int, int],
        worst: str,
        body: Mapping[str, Any],
    ) -> None:
        """Keep what was found about a training folder, in place of what was found before.

        Args:
            pipeline: its name.
            basis: digest of all that it was found from.
            counts: how much is wrong, and how much is worth a look.
            worst: the worst of it, in a line; "" where there is none.
            body: all of it.
        """
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT OR REPLACE INTO care VALUES (?, ?, ?, ?, ?, ?, ?)",
                (pipeline, basis, *counts, worst, json.dumps(body, sort_keys=True), utc_now()),
            )

    def basis(self, pipeline: str) -> str:
        """Return the digest of everything that the kept findings were found from, or ""."""
        row = self._db.conn.execute(
            "SELECT basis FROM care WHERE pipeline = ?", (pipeline,)
        ).fetchone()
        return str(row[0]) if row else ""
