"""What was asked to be made anew, and which revision made a training.

`pixd.store.retraining` writes what is read here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.store.queries.sweeps import NO_VARIANT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


WORSE: Final = "worse: "
"""How the reason begins of a model that was refused by its scores alone."""


class Asked(NamedTuple):
    """A model that is to be made anew.

    Attributes:
        model: its number.
        who: the user that asked.
        why: how this pixd makes it otherwise; "" where it does not.
        change_id: of the request.
    """

    model: int
    who: str
    why: str
    change_id: str


class Made(NamedTuple):
    """A model beside the training that made it.

    Attributes:
        number: of the model.
        train_run: the run.
        key: of the run.
        recipe: its settings.
        recipe_digest: of these.
        version: digest of what the training folder held.
        commit_seq: number of that commit.
        verdict: what was decided about it: promote and why.
        metrics: as the trainer measured them.
    """

    number: int
    train_run: int
    key: str
    recipe: Mapping[str, Any]
    recipe_digest: str
    version: str
    commit_seq: int
    verdict: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def is_worse(self) -> bool:
        """Whether it was refused by its scores alone, so that a person may want it all the same."""
        return not self.verdict["promote"] and str(self.verdict["why"]).startswith(WORSE)


_MADE = (
    "SELECT number, run.id, run.key, recipe.body, recipe.digest, model.version, commit_seq, verdict,"
    " metrics"
    " FROM model JOIN run ON run.id = model.train_run JOIN recipe ON recipe.digest = run.recipe"
)


def asked_of(reader: sqlite3.Connection, pipeline: str) -> Asked | None:
    """Return what was asked for in a pipeline and is not done yet."""
    row = reader.execute(
        "SELECT model, who, why, change_id FROM retraining WHERE pipeline = ?", (pipeline,)
    ).fetchone()
    return Asked(*row) if row else None


def revision_of(reader: sqlite3.Connection, run_id: int) -> int | None:
    """Return the revision that made a training; None for one that is older than this record."""
    row = reader.execute("SELECT revision FROM run_revision WHERE run_id = ?", (run_id,)).fetchone()
    return int(row[0]) if row else None


def newest_model(reader: sqlite3.Connection, pipeline: str) -> Made | None:
    """Return the newest model of a pipeline that is of no variant."""
    row = reader.execute(
        f"{_MADE} WHERE model.pipeline = ? AND {NO_VARIANT} ORDER BY number DESC LIMIT 1",
        (pipeline,),
    ).fetchone()
    return _made(row)


def model_numbered(reader: sqlite3.Connection, pipeline: str, number: int) -> Made | None:
    """Return a model of a pipeline by its number."""
    row = reader.execute(
        f"{_MADE} WHERE model.pipeline = ? AND number = ?", (pipeline, number)
    ).fetchone()
    return _made(row)


def oldest_current_recipe(
    reader: sqlite3.Connection, pipeline: str, model_digest: str
) -> tuple[str, str, str] | None:
    """Return recipe, run key and input digest of the oldest current output, if by this model."""
    row = reader.execute(
        "SELECT output.recipe, run.key, input_digest, model_digest FROM output"
        " JOIN run ON run.id = run_id WHERE output.pipeline = ? AND output.state = 'current'"
        " ORDER BY output.id LIMIT 1",
        (pipeline,),
    ).fetchone()
    if row is None or row[3] != model_digest:
        return None
    return str(row[0]), str(row[1]), str(row[2])


def _made(row: Any) -> Made | None:
    if row is None:
        return None
    number, run_id, key, body, digest, version, commit_seq, verdict, metrics = row
    return Made(
        number, run_id, key, _settings(body), digest, version, commit_seq, json.loads(verdict),
        json.loads(metrics),
    )  # fmt: skip


def _settings(body: str) -> Mapping[str, Any]:
    """Return the settings of a recipe, without the name of its stage."""
    said: dict[str, Any] = json.loads(body)
    said.pop("stage", None)
    return said
