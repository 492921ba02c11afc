"""Runs the SQL of a migration, statement by statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def run(db: Database, script: str) -> None:
    """Run a script within the transaction of its migration.

    sqlite-utils' own `executescript` asks SQLite after every character whether the statement is
    complete: half of the time that a store took to open (`findings/sqlite-utils-script-by-character.sh`).

    Args:
        db: the database.
        script: statements, each ended by a semicolon at a line's end; no triggers, which have such
            semicolons within.
    """
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
