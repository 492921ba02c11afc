"""Which pairs a person made out of an input and its retouched output, with `pixd teach`.

One row a file that was written into the training folder. It is history: a recall follows it from
what the pair came from to the pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.store.taught import TABLE
from pixd.system import crash_points

if TYPE_CHECKING:
    from sqlite_utils import Database


def add_taught(db: Database) -> None:
    """Add the table. Like all history, its rows refuse to be changed."""
    db.execute(TABLE)
    db.execute("CREATE INDEX taught_by_digest ON taught (digest)")
    for of in ("input", "output", "model"):
        db.execute(f"CREATE INDEX taught_by_{of} ON taught ({of}_digest)")
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER taught_refuses_{verb.lower()} BEFORE {verb} ON taught"
            " BEGIN SELECT RAISE(ABORT, 'taught is history and cannot be changed'); END"
        )
    crash_points.crash_point("migration")
