"""Which bytes can be removed, why, and how to bring them back.

Rows are never removed: history stays complete. Only the bytes of images, outputs and models go.
Manifests, listings of pairs and model cards are always kept, because they are small and a trace
needs them. Bytes go to a trash first; a whole batch can be brought back.

These keep their bytes: the heads of the watched folders; the live model and those that were live
just before it, without the early ones; the newest models and the versions that they were trained on, without variants that
nobody promoted; the models of the last `pixd try`, and while it goes on, the version that it trains on; every output that has
not been replaced; the inputs and outputs of unfinished runs; the pins.
"""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files, tensorboard
from pixd.store.states import ACTIVE_RUNS, STANDING_OUTPUTS, BytesState, OutputState, listed
from pixd.system import crash_points, durable
from pixd.system.clock import utc_now
from pixd.system.errors import PixdError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pixd.store.store import Store

RECENT_REFS = 5
TRASH = "trash"
FIRST_REMOVED = 100
_IS_VARIANT = (
    "EXISTS (SELECT 1 FROM variant_run WHERE variant_run.run_id = model.train_run)"
    " AND NOT EXISTS (SELECT 1 FROM ref_log WHERE new_model_id = model.id)"
)
"""A condition on the table `model`: it is of a variant, and nobody has promoted it."""
_KEPT_TYPES = ("text/x-pixd-manifest", "application/json")


class Garbage(NamedTuple):
    """Bytes that nothing needs."""

    digest: str
    size_bytes: int
    name: str
    why: str


def plan(store: Store, keep_models: Mapping[str, int]) -> list[Garbage]:
    """Return what could be removed, largest first.

    Args:
        store: the open store.
        keep_models: how many of the newest models of each pipeline keep their bytes; a pipeline
            that is not named keeps all of its models.

    Raises:
        StoreError: a manifest cannot be read, so it is not known what is needed.
    """
    kept = _roots(store, keep_models)
    rows = store.db.conn.execute(
        "SELECT digest, size_bytes FROM object JOIN object_bytes USING (digest)"
        f" WHERE object_bytes.state = '{BytesState.PRESENT}' AND media_type NOT IN (?, ?)"
        " ORDER BY size_bytes DESC, digest",
        _KEPT_TYPES,
    )
    return [
        Garbage(digest, size, *_name_and_why(store, digest))
        for digest, size in rows.fetchall()
        if digest not in kept
    ]


def apply(store: Store, garbage: list[Garbage]) -> str:
    """Move bytes to the trash as one batch and return its name.

    The rows are written first. A crash in between leaves bytes in their old place that are recorded
    as trashed; `recover` moves them.
    """
    now = utc_now()
    # To the millisecond: the newest batch is the last by name.
    batch = now[:23].replace(":", "") + "-" + secrets.token_hex(2)
    with store.transaction():
        store.db.conn.executemany(
            "INSERT OR REPLACE INTO trash VALUES (?, ?, ?, ?, ?)",
            [(g.digest, batch, g.name, g.why, now) for g in garbage],
        )
        _set_state(store, [g.digest for g in garbage], BytesState.TRASHED)
    crash_points.crash_point("trashed")
    for one in garbage:
        _move(store.objects.path_of(one.digest), _in_trash(store, batch, one.digest))
    for folder in {store.objects.path_of(g.digest).parent for g in garbage}:
        durable.sync_folder(folder)
    model_files.match_bytes(store)
    return batch


def undo(store: Store, batch: str | None) -> tuple[str, int]:
    """Bring a batch back, the newest by default; returns its name and how many objects.

    Raises:
        PixdError: there is no such batch.
    """
    row = store.db.conn.execute(
        "SELECT batch FROM trash WHERE ?1 IS NULL OR batch = ?1 ORDER BY batch DESC LIMIT 1",
        (batch,),
    ).fetchone()
    if row is None:
        what = f"no batch {batch}" if batch else "nothing"
        raise PixdError(f"there is {what} in the trash", advice="`pixd gc` says what is")
    digests = _batch(store, row[0])
    for digest in digests:
        _move(_in_trash(store, row[0], digest), store.objects.path_of(digest))
    durable.sync_filesystem(store.folder)
    with store.transaction():
        store.db.conn.execute("DELETE FROM trash WHERE batch = ?", (row[0],))
        _set_state(store, digests, BytesState.PRESENT)
    model_files.match_bytes(store)
    shutil.rmtree(store.folder / TRASH / row[0], ignore_errors=True)
    return row[0], len(digests)


def empty(store: Store) -> tuple[int, int]:
    """Remove everything in the trash for good; returns how many objects and bytes.

    First a few, so that on a full disk these make the room for the rows of the others.
    """
    count, size_bytes, at_once = 0, 0, FIRST_REMOVED
    while rows := store.db.conn.execute(
        "SELECT batch, trash.digest, size_bytes FROM trash JOIN object USING (digest)"
        " ORDER BY size_bytes DESC LIMIT ?",
        (at_once,),
    ).fetchall():
        digests = [digest for _, digest, _ in rows]
        with store.transaction():
            store.db.conn.executemany("DELETE FROM trash WHERE digest = ?", zip(digests))
            _set_state(store, digests, BytesState.REMOVED)
        for batch, digest, _ in rows:
            _in_trash(store, batch, digest).unlink(missing_ok=True)
        count, size_bytes = count + len(rows), size_bytes + sum(row[2] for row in rows)
        at_once *= 2
    shutil.rmtree(store.folder / TRASH, ignore_errors=True)
    tensorboard.drop_of_removed_models(store.db.conn, store.folder)
    return count, size_bytes


def in_trash(store: Store) -> list[dict[str, Any]]:
    """Return the batches in the trash, newest first: batch, objects, bytes."""
    rows = store.db.conn.execute(
        "SELECT batch, count(*), sum(size_bytes) FROM trash JOIN object USING (digest)"
        " GROUP BY batch ORDER BY batch DESC"
    )
    return [{"batch": row[0], "objects": row[1], "bytes": row[2]} for row in rows]


def recover(store: Store) -> None:
    """Finish what a crash interrupted. Call once at start, under the lock."""
    for batch in in_trash(store):
        for digest in _trashed(store, batch["batch"]):
            _move(store.objects.path_of(digest), _in_trash(store, batch["batch"], digest))
    folder = store.folder / TRASH
    if folder.is_dir():
        known = {batch["batch"] for batch in in_trash(store)}
        for left in [f for f in folder.iterdir() if f.name not in known]:
            shutil.rmtree(left, ignore_errors=True)  # a crash interrupted `empty` or `undo`
    model_files.match_bytes(store)


def _roots(store: Store, keep_models: Mapping[str, int]) -> set[str]:
    conn = store.db.conn
    kept: set[str] = set()
    versions: set[str] = set()
    for (version,) in conn.execute(
        'SELECT version FROM repo JOIN "commit" ON "commit".id = (SELECT id FROM "commit" AS c'
        " WHERE c.repo_id = repo.id ORDER BY seq DESC LIMIT 1)"
    ):
        versions.add(version)
    versions.update(
        row[0]
        for row in conn.execute(
            "SELECT version FROM sweep JOIN repo ON repo.pipeline = sweep.pipeline AND kind = 'training'"
            ' JOIN "commit" ON repo_id = repo.id AND seq = commit_seq WHERE ended_at IS NULL'
        )
    )
    for model_id, version, train_run, export_run in _kept_models(store, keep_models):
        del model_id
        versions.add(version)
        kept.update(_made_by(store, train_run))
        kept.update(_made_by(store, export_run))
    for run_id, version in conn.execute(
        "SELECT run.id, run_input.digest FROM run JOIN run_input ON run_input.run_id = run.id"
        f" WHERE run.state IN ({listed(ACTIVE_RUNS)})"
    ):
        kept.add(version)
        kept.update(_made_by(store, run_id))
        if conn.execute("SELECT 1 FROM version WHERE digest = ?", (version,)).fetchone():
            versions.add(version)
    kept.update(
        row[0]
        for row in conn.execute(
            "SELECT digest FROM output WHERE state IN"
            f" ('{OutputState.PUBLISHING}', {listed(STANDING_OUTPUTS)})"
        )
    )
    kept.update(row[0] for row in conn.execute("SELECT digest FROM pin"))
    # Files that are being read again still have the digest that they were recorded with.
    kept.update(row[0] for row in conn.execute("SELECT digest FROM file WHERE digest IS NOT NULL"))
    for version in versions:
        try:
            entries = manifests.read(store.objects.path_of, version)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the manifest {version[:19]} cannot be read, so nothing is removed: {error}",
                advice="`pixd verify` says what depends on it",
            ) from error
        kept.update(entry.digest for entry in entries.values())
    return kept


def _kept_models(
    store: Store, keep_models: Mapping[str, int]
) -> Iterator[tuple[int, str, int, int]]:
    conn = store.db.conn
    wanted: set[int] = set()
    for (pipeline,) in conn.execute("SELECT DISTINCT pipeline FROM model").fetchall():
        newest = conn.execute(
            "SELECT id FROM model WHERE pipeline = ?1 AND early_of = 0"
            f" AND (?2 < 0 OR NOT ({_IS_VARIANT})) ORDER BY number DESC LIMIT ?2",
            (pipeline, keep_models.get(pipeline, -1)),
        )
        tried = conn.execute(
            "SELECT id FROM model WHERE pipeline = ?1 AND number IN (SELECT model FROM variant"
            " WHERE sweep_id = (SELECT max(id) FROM sweep WHERE pipeline = ?1))",
            (pipeline,),
        )
        wanted.update(row[0] for found in (newest, tried) for row in found)
        recent = conn.execute(
            "SELECT old.id, new.id FROM ref_log"
            " LEFT JOIN model AS old ON old.id = old_model_id AND old.early_of = 0"
            " LEFT JOIN model AS new ON new.id = new_model_id"
            " WHERE ref_log.pipeline = ? AND coalesce(new.early_of, 0) = 0"
            " ORDER BY ref_log.id DESC LIMIT ?",
            (pipeline, RECENT_REFS),
        )
        wanted.update(model for row in recent for model in row if model is not None)
    wanted.update(row[0] for row in conn.execute("SELECT model_id FROM ref"))
    for model_id in wanted:
        yield conn.execute(
            "SELECT id, version, train_run, export_run FROM model WHERE id = ?", (model_id,)
        ).fetchone()


def _made_by(store: Store, run_id: int) -> list[str]:
    rows = store.db.conn.execute("SELECT digest FROM run_output WHERE run_id = ?", (run_id,))
    return [row[0] for row in rows]


def _name_and_why(store: Store, digest: str) -> tuple[str, str]:
    """Return what the bytes are, and why nothing needs them."""
    conn = store.db.conn
    row = conn.execute(
        "SELECT output.pipeline, path, output.state, model.number FROM output"
        " LEFT JOIN model ON model.digest = model_digest WHERE output.digest = ?"
        " ORDER BY output.id DESC LIMIT 1",
        (digest,),
    ).fetchone()
    if row:
        by = f" by model@{row[3]}" if row[3] else ""
        return f"{row[0]}/output/{row[1]}{by}", f"{row[2]}: another took its place"
    row = conn.execute(
        f"SELECT model.pipeline, number, role, early_of, {_IS_VARIANT} FROM run_output JOIN model"
        " ON run_output.run_id IN (model.train_run, model.export_run)"
        " WHERE run_output.digest = ? ORDER BY number DESC LIMIT 1",
        (digest,),
    ).fetchone()
    if row:
        why = "older than the models that are kept"
        if row[3] or row[4]:
            why = "early, and not live" if row[3] else "a variant of an older `pixd try`"
        return f"{row[0]}/model@{row[1]} ({row[2]})", why
    row = conn.execute(
        "SELECT repo.pipeline, repo.kind, path, seq FROM commit_change"
        ' JOIN "commit" ON "commit".id = commit_id JOIN repo ON repo.id = repo_id'
        " WHERE old_digest = ? ORDER BY commit_id DESC LIMIT 1",
        (digest,),
    ).fetchone()
    if row:
        return f"{row[0]}/{row[1]}/{row[2]}", f"gone from the folder since {row[1]}@{row[3]}"
    return digest[:19], "no file, model or output has it"


def _set_state(store: Store, digests: list[str], state: BytesState) -> None:
    now = utc_now()
    store.db.conn.executemany(
        "UPDATE object_bytes SET state = ?, changed_at = ? WHERE digest = ?",
        [(state, now, digest) for digest in digests],
    )


def _batch(store: Store, batch: str) -> list[str]:
    rows = store.db.conn.execute("SELECT digest FROM trash WHERE batch = ?", (batch,))
    return [row[0] for row in rows]


def _trashed(store: Store, batch: str) -> list[str]:
    """Return the contents of a batch that were not added to the store again since."""
    rows = store.db.conn.execute(
        "SELECT digest FROM trash JOIN object_bytes USING (digest)"
        f" WHERE batch = ? AND object_bytes.state = '{BytesState.TRASHED}'",
        (batch,),
    )
    return [row[0] for row in rows]


def _in_trash(store: Store, batch: str, digest: str) -> Path:
    hexadecimal = digest.removeprefix("sha256:")
    return store.folder / TRASH / batch / hexadecimal[:2] / hexadecimal[2:]


def _move(source: Path, target: Path) -> None:
    """Rename, unless it was done before."""
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
