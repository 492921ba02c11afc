"""Walking the lineage graph, read-only: from contents to models and outputs, and back.

Edges run content -> training version -> model -> output and content -> output. A version is
never stored as rows of files. The deltas of the commits say where a content was in a folder.
The *listing* of a training run says which of those files its model really learned from: it is
an object that names every pair, training and held out.

Standard library only. Every query uses indexes (tests look at the query plans).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import taught
from pixd.store.queries.sweeps import NO_VARIANT
from pixd.store.states import ACTIVE_RUNS, RunState, listed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path


class Appearance(NamedTuple):
    """A content under one name in one repo, from one commit until another (None: still)."""

    pipeline: str
    kind: str
    path: str
    since: int
    until: int | None


class Descendant(NamedTuple):
    """A model that a content went into, and how.

    Attributes:
        how: "train", "held_out" (scored on it and never trained), or "via model@N" (it was
            warm-started from a model that was trained on it).
    """

    id: int
    number: int
    digest: str
    how: str


def object_path(store: Path, digest: str) -> Path:
    """Return where the bytes of an object are while they are present."""
    hexadecimal = digest.removeprefix("sha256:")
    return store / "objects" / hexadecimal[:2] / hexadecimal[2:]


def appearances(reader: sqlite3.Connection, digest: str) -> list[Appearance]:
    """Return where a content was and is, by repo, name and first commit."""
    rows = reader.execute(
        'SELECT repo.pipeline, repo.kind, path, "commit".seq, old_digest IS ?1, new_digest IS ?1'
        ' FROM commit_change JOIN "commit" ON "commit".id = commit_id'
        " JOIN repo ON repo.id = repo_id WHERE new_digest = ?1 OR old_digest = ?1"
        " ORDER BY repo.pipeline, repo.kind, path, seq",
        (digest,),
    ).fetchall()
    found: list[Appearance] = []
    for pipeline, kind, path, seq, was, is_ in rows:
        if was and not is_:
            found[-1] = found[-1]._replace(until=seq)
        elif is_ and not was:
            found.append(Appearance(pipeline, kind, path, seq, None))
    return found


def is_translation(reader: sqlite3.Connection, digest: str) -> bool:
    """Tell whether a content is what a translation made."""
    row = reader.execute(
        "SELECT 1 FROM run_output JOIN run ON run.id = run_id"
        " WHERE digest = ? AND kind = 'translate' LIMIT 1",
        (digest,),
    ).fetchone()
    return row is not None


def models_of(
    reader: sqlite3.Connection, store: Path, pipeline: str, digest: str
) -> list[Descendant]:
    """Return the models of a pipeline that a content went into, oldest first.

    Raises:
        OSError: the listing of a training run cannot be read.
    """
    spans = [
        (a.since, a.until)
        for a in appearances(reader, digest)
        if a.kind == "training" and a.pipeline == pipeline
    ]
    found: list[Descendant] = []
    by_digest: dict[str, Descendant] = {}  # a second training may give the same model: two numbers
    rows = reader.execute(
        "SELECT id, number, digest, commit_seq, train_run FROM model WHERE pipeline = ?"
        " ORDER BY number",
        (pipeline,),
    ).fetchall()
    for model_id, number, model_digest, seq, train_run in rows:
        was_there = any(a <= seq and (b is None or seq < b) for a, b in spans)
        how = _part_in(reader, store, train_run, digest) if was_there else ""
        if how != "train":
            for parent in started_from(reader, train_run):
                ancestor = by_digest.get(parent)
                if ancestor and ancestor.how != "held_out":
                    how = f"via model@{ancestor.number}"
                    break
        if how:
            found.append(Descendant(model_id, number, model_digest, how))
            by_digest[model_digest] = found[-1]
    return found


class Reach(NamedTuple):
    """What a content went into, also by way of pairs that were taught from its outputs.

    Attributes:
        models: by number.
        taught: digests of the taught files, each with the name that it was written under.
    """

    models: list[Descendant]
    taught: dict[str, str]


def reach(reader: sqlite3.Connection, store: Path, pipeline: str, digest: str) -> Reach:
    """Return everything of a pipeline that a content went into.

    A pair that was taught from an output carries what the output's input and model learned from;
    so do the models that learn from the pair, and so on.

    Raises:
        OSError: the listing of a training run cannot be read.
    """
    models: dict[int, Descendant] = {}
    files: dict[str, str] = {}
    waiting = [digest]
    while waiting:
        content = waiting.pop()
        sources = [content]
        for model in models_of(reader, store, pipeline, content):
            if model.number not in models:
                via = files.get(content)
                models[model.number] = model._replace(how=f"via {via}") if via else model
                sources.append(model.digest)
        for source in sources:
            for row in taught.made_with(reader, source):
                if row.pipeline == pipeline and row.digest not in files and row.digest != digest:
                    files[row.digest] = row.name
                    waiting.append(row.digest)
    return Reach([models[number] for number in sorted(models)], files)


def is_trained_on(
    reader: sqlite3.Connection, store: Path, run_id: int, digests: Iterable[str]
) -> str:
    """Return the first of these contents that a training run uses in any part, or ""."""
    listing = listing_of(reader, store, run_id)
    return next((d for d in digests if d.encode() in listing), "")


def listing_of(reader: sqlite3.Connection, store: Path, run_id: int) -> bytes:
    """Return the JSON that names every pair of a training run; b"" where there is none.

    Raises:
        OSError: the object cannot be read.
    """
    digest = listing_digest(reader, run_id)
    return object_path(store, digest).read_bytes() if digest else b""


def listing_digest(reader: sqlite3.Connection, run_id: int) -> str:
    """Return the digest of a training run's listing; "" where there is none."""
    row = reader.execute(
        "SELECT digest FROM run_input WHERE run_id = ? AND role = 'pairs'", (run_id,)
    ).fetchone()
    return str(row[0]) if row else ""


def dataset_of(reader: sqlite3.Connection, store: Path, run_id: int) -> dict[str, Any]:
    """Return the pairs of a training run: {"train": [...], "held_out": [...]}.

    Each pair is {"name": str, "files": [{"path", "digest"}, ...]}; they come by name.
    """
    return _pairs_in(listing_of(reader, store, run_id))


def dataset_of_listing(store: Path, digest: str) -> dict[str, Any]:
    """Return the pairs of a listing as `dataset_of` does.

    Raises:
        OSError: the object cannot be read.
    """
    return _pairs_in(object_path(store, digest).read_bytes())


def _pairs_in(listing: bytes) -> dict[str, Any]:
    sides = json.loads(listing) if listing else {}
    return {
        part: [
            {"name": name, "files": [{"path": path, "digest": digest} for path, digest in files]}
            for name, files in sorted(sides.get(part, []))
        ]
        for part in ("train", "held_out")
    }


def whole_training(reader: sqlite3.Connection, pipeline: str) -> tuple[int, str, int] | None:
    """Return number, digest and training run of the live model, or None.

    Where that is an early one, it is the last model that was live before and is not.
    """
    row = reader.execute(
        "SELECT number, digest, train_run FROM ref JOIN model ON model.id = ref.model_id"
        " WHERE ref.pipeline = ?1 AND ref.name = 'live' AND early_of = 0"
        " UNION ALL SELECT * FROM (SELECT number, digest, train_run FROM ref_log"
        "   JOIN model ON model.id = new_model_id WHERE ref_log.pipeline = ?1 AND early_of = 0"
        "   AND EXISTS (SELECT 1 FROM ref WHERE ref.pipeline = ?1 AND ref.name = 'live')"
        "   ORDER BY ref_log.id DESC LIMIT 1) LIMIT 1",
        (pipeline,),
    ).fetchone()
    return (int(row[0]), str(row[1]), int(row[2])) if row else None


def live_recipe(reader: sqlite3.Connection, pipeline: str) -> tuple[int, str] | None:
    """Return the training of the live model and the JSON of its recipe, or None."""
    row = reader.execute(
        "SELECT run.id, recipe.body FROM ref JOIN model ON model.id = ref.model_id"
        " JOIN run ON run.id = train_run JOIN recipe ON recipe.digest = run.recipe"
        " WHERE ref.pipeline = ? AND ref.name = 'live'",
        (pipeline,),
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else None


def last_training(reader: sqlite3.Connection, pipeline: str) -> tuple[int, str] | None:
    """Return the last training that succeeded, no variant, and the JSON of its recipe, or None."""
    row = reader.execute(
        "SELECT run.id, recipe.body FROM run JOIN recipe ON recipe.digest = run.recipe"
        f" WHERE run.pipeline = ? AND run.kind = 'train' AND run.state = '{RunState.SUCCEEDED}'"
        f" AND {NO_VARIANT} ORDER BY run.id DESC LIMIT 1",
        (pipeline,),
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else None


def key_of_run(reader: sqlite3.Connection, run_id: int) -> str:
    """Return the key of a run that is recorded."""
    row = reader.execute("SELECT key FROM run WHERE id = ?", (run_id,)).fetchone()
    return str(row[0])


def recipe_of(reader: sqlite3.Connection, run_id: int) -> dict[str, Any]:
    """Return the settings of a run, without the name of its stage."""
    row = reader.execute(
        "SELECT body FROM run JOIN recipe ON recipe.digest = run.recipe WHERE run.id = ?", (run_id,)
    ).fetchone()
    said: dict[str, Any] = json.loads(row[0])
    said.pop("stage", None)
    return said


def steps_of_run(reader: sqlite3.Connection, run_id: int) -> int:
    """Return how many steps a training that succeeded had to its end."""
    row = reader.execute("SELECT progress FROM run WHERE id = ?", (run_id,)).fetchone()
    return int(json.loads(row[0] or "{}").get("steps", 0)) if row else 0


def has_succeeded(reader: sqlite3.Connection, key: str) -> bool:
    """Return whether a run of any pipeline succeeded with a key."""
    row = reader.execute(
        "SELECT 1 FROM run INDEXED BY run_by_key WHERE key = ?"
        f" AND state = '{RunState.SUCCEEDED}' LIMIT 1",
        (key,),
    ).fetchone()
    return row is not None


def keys_of_ended_trainings(reader: sqlite3.Connection, pipeline: str) -> list[str]:
    """Return the keys of the trainings that succeeded or were superseded."""
    rows = reader.execute(
        "SELECT DISTINCT key FROM run WHERE pipeline = ? AND kind = 'train'"
        f" AND state IN ('{RunState.SUCCEEDED}', '{RunState.SUPERSEDED}')",
        (pipeline,),
    )
    return [row[0] for row in rows]


def keys_of_abandoned_trainings(
    reader: sqlite3.Connection, pipeline: str, newest: int
) -> list[str]:
    """Return the keys of trainings that were cut off, and that nothing goes on with.

    Those are of no use to any other pipeline, and no variant of what `pixd try` was asked for last.

    Args:
        reader: the store's database.
        pipeline: its name.
        newest: a later training, which has succeeded.
    """
    rows = reader.execute(
        "SELECT DISTINCT key FROM run WHERE pipeline = ?1 AND kind = 'train' AND id < ?2"
        f" AND state IN ('{RunState.FAILED}', '{RunState.CANCELLED}', '{RunState.LOST}')"
        " AND NOT EXISTS (SELECT 1 FROM run AS other WHERE other.key = run.key AND"
        f" (other.pipeline != ?1 OR other.id >= ?2 OR other.state IN ({listed(ACTIVE_RUNS)})))"
        " AND NOT EXISTS (SELECT 1 FROM variant_run WHERE variant_run.run_id = run.id"
        " AND sweep_id = (SELECT max(id) FROM sweep WHERE pipeline = ?1))",
        (pipeline, newest),
    )
    return [row[0] for row in rows]


def lineage_of_model(
    reader: sqlite3.Connection, pipeline: str, digest: str
) -> list[tuple[int, int, str]]:
    """Return (number, training run, digest) of a model and of those that it was started from."""
    found: list[tuple[int, int, str]] = []
    waiting = [digest]
    while waiting:
        row = reader.execute(
            "SELECT number, train_run, digest FROM model WHERE digest = ? AND pipeline = ?"
            " ORDER BY id LIMIT 1",
            (waiting.pop(), pipeline),
        ).fetchone()
        if row is None or tuple(row) in found:
            continue
        found.append((int(row[0]), int(row[1]), str(row[2])))
        waiting += started_from(reader, row[1])
    return found


def started_from(reader: sqlite3.Connection, train_run: int) -> list[str]:
    """Return the digests of the models that a training run began with (a warm start)."""
    rows = reader.execute(
        "SELECT digest FROM run_input WHERE run_id = ? AND role = 'warm-start'", (train_run,)
    )
    return [row[0] for row in rows]


def _part_in(reader: sqlite3.Connection, store: Path, run_id: int, digest: str) -> str:
    data = listing_of(reader, store, run_id)
    if digest.encode() not in data:  # quicker than parsing a listing of thousands
        return ""
    listing = json.loads(data)
    trains = any(digest == d for _, files in listing["train"] for _, d in files)
    return "train" if trains else "held_out"
