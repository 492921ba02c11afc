"""Pairs that a person taught: made out of an input and its retouched output."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


TABLE = """
CREATE TABLE taught (
    pipeline TEXT NOT NULL,
    digest TEXT NOT NULL,
    name TEXT NOT NULL,
    input_path TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    output_path TEXT NOT NULL,
    output_digest TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    target_digest TEXT NOT NULL,
    who TEXT NOT NULL,
    change_id TEXT NOT NULL,
    taught_at TEXT NOT NULL,
    PRIMARY KEY (pipeline, digest)
) STRICT, WITHOUT ROWID
"""
"""As migration m008 makes it, so it may not be changed."""


class Taught(NamedTuple):
    """A file of the training folder, and what it was made of.

    Attributes:
        pipeline: whose training folder.
        digest: of the file as it was written.
        name: name text of the file, relative to the training folder.
        input_path: name text of the input.
        input_digest: of the input that was translated.
        output_path: name text of the output.
        output_digest: of the output before it was retouched.
        model_digest: the model that made the output.
        target_digest: of the picture that took the output's place.
        who: the user who taught it.
        change_id: of the teaching.
        taught_at: RFC 3339.
    """

    pipeline: str
    digest: str
    name: str
    input_path: str
    input_digest: str
    output_path: str
    output_digest: str
    model_digest: str
    target_digest: str
    who: str
    change_id: str
    taught_at: str


_COLUMNS = ", ".join(Taught._fields)


def add(writer: sqlite3.Connection, row: Taught) -> bool:
    """Record a taught file; tell whether it is new. Join the caller's transaction."""
    marks = ", ".join("?" for _ in row)
    cursor = writer.execute(
        f"INSERT INTO taught ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING", row
    )
    return cursor.rowcount > 0


def of_file(reader: sqlite3.Connection, pipeline: str, digest: str) -> Taught | None:
    """Return what a taught file was made of, or None for any other content."""
    row = reader.execute(
        f"SELECT {_COLUMNS} FROM taught WHERE pipeline = ? AND digest = ?", (pipeline, digest)
    ).fetchone()
    return Taught._make(row) if row else None


def made_with(reader: sqlite3.Connection, digest: str) -> list[Taught]:
    """Return the taught files that come from a content: an input, an output or a model."""
    rows = reader.execute(
        f"SELECT {_COLUMNS} FROM taught WHERE input_digest = ?1"
        f" UNION SELECT {_COLUMNS} FROM taught WHERE output_digest = ?1"
        f" UNION SELECT {_COLUMNS} FROM taught WHERE model_digest = ?1"
        " ORDER BY taught_at, name",
        (digest,),
    )
    return [Taught._make(row) for row in rows]


def about(reader: sqlite3.Connection, digest: str) -> list[Taught]:
    """Return the taught files that are this content, or come from it."""
    rows = reader.execute(f"SELECT {_COLUMNS} FROM taught WHERE digest = ?", (digest,))
    return [*map(Taught._make, rows), *made_with(reader, digest)]
