"""A model's folder stands where its bytes do, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.store import gc, manifests, model_files
from pixd.store.edges import Edge
from pixd.store.objects import StoredObject
from pixd.store.opening import open_store
from pixd.store.states import RunState
from pixd.store.store import Store
from tests.support.commits import record

FILES = {"generator.keras": b"weights", "card.json": b"{}"}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Return what opens the store, after closing it where it is open: a start."""
    stores: list[Store] = []

    def start() -> Store:
        if stores:
            stores.pop().close()
        stores.append(open_store(tmp_path / "store"))
        return stores[0]

    yield start
    stores[0].close()


def add_model(store: Store) -> tuple[StoredObject, StoredObject]:
    """Write a run that exported `FILES`, and its model; returns the manifest and the weights."""
    record(store, store.history.repo_id("p", "training"), {"a": b"a"}, [])
    kept = {name: store.objects.add(content) for name, content in FILES.items()}
    listing = {name: manifests.Entry(k.digest, k.size_bytes) for name, k in kept.items()}
    manifest = store.objects.add(manifests.render(listing))
    weights = kept["generator.keras"]
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([manifest], "text/x-pixd-manifest")
        store.history.add_objects([weights], "application/octet-stream")
        store.history.add_objects([kept["card.json"]], "application/json")
        run = store.runs.queue(
            "p", "export", "key", change_id="c", recipe=store.runs.add_recipe("export", {}),
            inputs=[], reason="", state=RunState.RUNNING,
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
        store.runs.add_outputs(run, [Edge("generator", "generator.keras", weights.digest)])
        version = store.db.execute('SELECT version FROM "commit"').fetchone()[0]
        store.models.add(
            "p", manifest.digest, train_run=run, export_run=run, version=version, commit_seq=1,
            steps=1, metrics={}, verdict="{}",
        )  # fmt: skip
    return manifest, weights


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_goes_with_the_weights_and_comes_back_with_them(opened: Callable[[], Store]) -> None:
    store = opened()
    manifest, weights = add_model(store)
    folder = model_files.lay_out(store, manifest.digest)
    assert folder == model_files.folder_of(store.folder, manifest.digest)
    assert found_in(folder) == FILES
    gc.apply(store, [gc.Garbage(weights.digest, weights.size_bytes, "weights", "a test")])
    assert not folder.exists()
    gc.undo(store, None)
    assert found_in(folder) == FILES
    assert (folder / "generator.keras").samefile(store.objects.path_of(weights.digest))


def test_a_start_makes_it_where_it_is_missing(opened: Callable[[], Store]) -> None:
    manifest, _ = add_model(opened())
    store = opened()
    assert found_in(model_files.folder_of(store.folder, manifest.digest)) == FILES


def test_a_model_whose_weights_are_lost_gets_none_and_stops_no_start(
    opened: Callable[[], Store],
) -> None:
    store = opened()
    manifest, weights = add_model(store)
    store.objects.path_of(weights.digest).unlink()
    store = opened()
    assert not model_files.folder_of(store.folder, manifest.digest).exists()
