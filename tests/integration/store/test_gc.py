"""gc removes only what nothing keeps, by way of a trash, and survives being cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.store import gc, tensorboard
from pixd.store.edges import Edge
from pixd.store.opening import open_store
from pixd.store.store import Store
from pixd.system.digests import digest_of
from pixd.system.errors import PixdError, StoreError
from tests.support.commits import record
from tests.support.models import add_model, pairs

OLD, NEW = digest_of(b"old"), digest_of(b"new")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Make a store whose folder lost one image and replaced another."""
    store = open_store(tmp_path / "store")
    repo = store.history.repo_id("p", "training")
    record(store, repo, {"a": b"old", "b": b"gone", "c": b"stays"}, [])
    record(store, repo, {"a": b"new"}, ["b"])
    yield store
    store.close()


def names(garbage: list[gc.Garbage]) -> list[tuple[str, str]]:
    return sorted((one.name, one.why) for one in garbage)


def states(store: Store) -> dict[str, int]:
    return dict(store.db.execute("SELECT state, objects FROM object_total WHERE objects <> 0"))


def test_what_left_the_folder_is_garbage_and_is_named(store: Store) -> None:
    assert names(gc.plan(store, {})) == [
        ("p/training/a", "gone from the folder since training@2"),
        ("p/training/b", "gone from the folder since training@2"),
    ]


def test_the_versions_of_kept_models_keep_their_images(store: Store) -> None:
    model = add_model(store, 1, {"train": pairs("x"), "held_out": []})
    assert names(gc.plan(store, {"p": 1})) == []
    add_model(store, 2, {"train": pairs("y"), "held_out": []})
    kept_no_more = names(gc.plan(store, {"p": 1}))
    assert [name for name, _ in kept_no_more] == ["p/training/a", "p/training/b"]
    live = store.models.numbered("p", 1)
    assert live is not None
    assert live.digest == model
    store.models.promote(live, who="x", why="y", change_id="c")
    assert names(gc.plan(store, {"p": 1})) == []


def test_the_trash_gives_back_what_it_took(store: Store) -> None:
    before = states(store)
    batch = gc.apply(store, gc.plan(store, {}))
    assert states(store)["trashed"] == 2
    assert not store.objects.has(OLD)
    assert store.objects.has(NEW)
    assert gc.plan(store, {}) == []
    assert [b["batch"] for b in gc.in_trash(store)] == [batch]
    assert gc.undo(store, None) == (batch, 2)
    assert states(store) == before
    assert store.objects.path_of(OLD).read_bytes() == b"old"
    with pytest.raises(PixdError, match="nothing in the trash"):
        gc.undo(store, None)


def test_an_emptied_trash_keeps_every_row(store: Store) -> None:
    rows = store.db["object"].count
    gc.apply(store, gc.plan(store, {}))
    assert gc.empty(store) == (2, len(b"old") + len(b"gone"))
    assert states(store)["removed"] == 2
    assert store.db["object"].count == rows
    assert not (store.folder / "trash").exists()


def test_content_that_comes_again_is_present_again(store: Store) -> None:
    gc.apply(store, gc.plan(store, {}))
    record(store, store.history.repo_id("p", "training"), {"d": b"old"}, [])
    assert store.objects.path_of(OLD).read_bytes() == b"old"
    gc.recover(store)  # as at the next start
    assert store.objects.path_of(OLD).read_bytes() == b"old"
    assert gc.undo(store, None)[1] == 1
    gc.apply(store, gc.plan(store, {}))
    gc.empty(store)
    record(store, store.history.repo_id("p", "training"), {"e": b"gone"}, [])
    assert store.objects.path_of(digest_of(b"gone")).read_bytes() == b"gone"
    assert "removed" not in states(store)


@pytest.mark.parametrize("moved", [0, 1])
def test_cut_off_between_rows_and_renames_it_is_finished_at_the_next_start(
    store: Store, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    garbage = gc.plan(store, {})
    real = gc._move
    left = moved

    def fail(source: Path, target: Path) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(gc, "_move", fail)
        with pytest.raises(KeyboardInterrupt):
            gc.apply(store, garbage)
    gc.recover(store)
    assert not any(store.objects.has(one.digest) for one in garbage)
    assert gc.undo(store, None)[1] == 2
    assert all(store.objects.has(one.digest) for one in garbage)


def test_an_unreadable_manifest_on_the_way_stops_it(store: Store) -> None:
    head = store.history.head(store.history.repo_id("p", "training"))
    assert head is not None
    manifest = store.objects.path_of(head.version)
    manifest.chmod(0o644)
    manifest.write_bytes(b"no manifest")
    with pytest.raises(StoreError, match="nothing is removed"):
        gc.plan(store, {})


def test_the_sheet_and_the_event_files_of_a_model_go_with_its_weights(store: Store) -> None:
    add_model(store, 1, {"train": pairs("x"), "held_out": []})
    add_model(store, 2, {"train": pairs("y"), "held_out": []})
    folders = []
    for run in (1, 2):
        generator, sheet = (store.objects.add(b"%s %d" % (what, run)) for what in (b"w", b"s"))
        store.history.add_objects([generator], "application/octet-stream")
        store.history.add_objects([sheet], "image/png")
        edges = [("generator", generator), ("samples", sheet)]
        store.runs.add_outputs(run, [Edge(role, role, kept.digest) for role, kept in edges])
        folders.append(store.folder / tensorboard.folder_of("p", run))
        folders[-1].mkdir(parents=True)
    store.objects.flush()
    assert not [name for name, _ in names(gc.plan(store, {"p": 2})) if "model" in name]
    garbage = [one for one in gc.plan(store, {"p": 1}) if "model" in one.name]
    assert names(garbage) == [
        ("p/model@1 (generator)", "older than the models that are kept"),
        ("p/model@1 (samples)", "older than the models that are kept"),
    ]
    gc.apply(store, garbage)
    assert [folder.exists() for folder in folders] == [True, True]  # they may come back
    gc.empty(store)
    assert [folder.exists() for folder in folders] == [False, True]
