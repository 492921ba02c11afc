"""Models written to a store by hand, with the pairs that they were made of."""

from __future__ import annotations

from pixd.store.edges import Edge
from pixd.store.states import RunState
from pixd.store.store import Store
from pixd.system.digests import canonical_json, digest_of


def add_model(store: Store, seq: int, listing: dict[str, list[object]], start: str = "") -> str:
    """Write a training run on these pairs and its model; returns the model's digest."""
    listed = store.objects.add(canonical_json(listing).encode())
    export = store.objects.add(b"model of %d %s" % (seq, listed.digest.encode()))
    store.objects.flush()
    recipe = store.runs.add_recipe("train", {})
    inputs = [Edge("pairs", "pairs", listed.digest)]
    if start:
        inputs.append(Edge("warm-start", "model@1", start))
    with store.transaction():
        store.history.add_objects([listed, export], "application/json")
        run = store.runs.queue(
            "p", "train", f"key {export.digest}", change_id="c", recipe=recipe, inputs=inputs,
            reason="", state=RunState.RUNNING,
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
        row = store.db.execute('SELECT version FROM "commit" WHERE seq = ?', (seq,)).fetchone()
        store.models.add(
            "p", export.digest, train_run=run, export_run=run, version=row[0], commit_seq=seq,
            steps=1, metrics={}, verdict='{"promote": true, "why": ""}',
        )  # fmt: skip
    return export.digest


def pairs(*names: str) -> list[object]:
    return [[name, [[name, digest_of(name.encode())]]] for name in names]
