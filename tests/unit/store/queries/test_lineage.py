"""Where contents were, and what descends from them, on a store written by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.store import manifests
from pixd.store.objects import ObjectStore
from pixd.store.opening import open_store
from pixd.store.queries import lineage
from pixd.store.queries.lineage import Appearance
from pixd.store.store import Store
from pixd.system.digests import digest_of
from tests.support.commits import record
from tests.support.models import add_model, pairs


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def test_a_content_is_found_by_name_from_commit_to_commit(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    record(store, repo, {"a": b"x", "b": b"y"}, [])
    record(store, repo, {"c": b"x"}, ["a"])
    record(store, repo, {"a": b"x", "c": b"z"}, [])
    assert lineage.appearances(store.db.conn, digest_of(b"x")) == [
        Appearance("p", "training", "a", 1, 2),
        Appearance("p", "training", "a", 3, None),
        Appearance("p", "training", "c", 2, 3),
    ]


def test_descendants_are_told_apart_by_how(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    record(store, repo, {"a": b"a", "b": b"b"}, [])
    record(store, repo, {"c": b"c"}, ["a"])
    first = add_model(store, 1, {"train": pairs("a"), "held_out": pairs("b")})
    second = add_model(store, 2, {"train": pairs("b", "c"), "held_out": []}, start=first)
    third = add_model(store, 2, {"train": pairs("c"), "held_out": []}, start=second)
    found = lineage.models_of(store.db.conn, store.folder, "p", digest_of(b"a"))
    assert [(m.number, m.how) for m in found] == [
        (1, "train"), (2, "via model@1"), (3, "via model@2"),
    ]  # fmt: skip
    found = lineage.models_of(store.db.conn, store.folder, "p", digest_of(b"b"))
    assert [(m.number, m.how) for m in found] == [
        (1, "held_out"), (2, "train"), (3, "via model@2"),
    ]  # fmt: skip
    numbers = [n for n, _, _ in lineage.lineage_of_model(store.db.conn, "p", third)]
    assert numbers == [3, 2, 1]


def test_what_was_in_the_folder_and_in_no_pair_is_in_no_model(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    record(store, repo, {"a": b"a", "refused": b"r"}, [])
    add_model(store, 1, {"train": pairs("a"), "held_out": []})
    assert lineage.models_of(store.db.conn, store.folder, "p", digest_of(b"r")) == []


@given(st.integers(0, 1500), st.integers(0, 1500), st.integers(0, 2**32))
def test_the_difference_of_versions_is_that_of_their_files(
    tmp_path_factory: pytest.TempPathFactory, old_count: int, new_count: int, seed: int
) -> None:
    rng = random.Random(seed)
    objects = ObjectStore(tmp_path_factory.mktemp("objects"))
    old = {f"{n}": manifests.Entry(digest_of(b"%d" % n), n) for n in range(old_count)}
    new = {name: entry for name, entry in old.items() if rng.random() < 0.9}
    new |= {f"{n}": manifests.Entry(digest_of(b"n%d" % n), n) for n in range(new_count // 10)}
    digests = [manifests.write(objects, files).digest for files in (old, new)]
    found = list(manifests.difference(objects.path_of, digests[0], digests[1]))
    expected = [
        (name, old[name].digest if name in old else None, new[name].digest if name in new else None)
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    assert found == expected
    if new:
        from_nothing = list(manifests.difference(objects.path_of, None, digests[1]))
        assert [name for name, _, _ in from_nothing] == sorted(new)
