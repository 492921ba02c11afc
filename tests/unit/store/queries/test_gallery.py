"""What a page asks of the lists, on a store written by hand."""

from __future__ import annotations

from pathlib import Path

from pixd.store.opening import open_store
from pixd.store.queries import gallery
from tests.support.commits import record


def test_the_training_folder_has_a_version_that_inputs_do_not_change(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    training = store.history.repo_id("p", "training")
    inputs = store.history.repo_id("p", "input")
    record(store, training, {"a": b"x"}, [])
    first = gallery.version(store.db.conn, "p")
    record(store, inputs, {"b": b"y"}, [])
    second = gallery.version(store.db.conn, "p")
    record(store, training, {"c": b"z"}, [])
    third = gallery.version(store.db.conn, "p")
    store.close()
    assert first["training"] == second["training"] != third["training"]
    assert len({first["files"], second["files"], third["files"]}) == 3
