"""Bytes by content: named only when durable, never changed, never half there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixd.store.objects import ObjectStore
from pixd.system.digests import digest_of


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def _take(objects: ObjectStore, path: Path) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return objects.take(fd).digest
    finally:
        os.close(fd)


def test_a_taken_file_is_kept_under_the_digest_of_its_bytes(
    objects: ObjectStore, tmp_path: Path
) -> None:
    source = tmp_path / "cat.png"
    source.write_bytes(b"meow" * 1_000_000)
    digest = _take(objects, source)
    assert digest == digest_of(source.read_bytes())
    objects.flush()
    kept = objects.folder / digest[7:9] / digest[9:]
    assert kept.read_bytes() == source.read_bytes()
    assert not os.access(kept, os.W_OK) or os.geteuid() == 0
    assert kept.stat().st_mode & 0o222 == 0


def test_an_edit_of_the_source_in_place_does_not_reach_the_store(
    objects: ObjectStore, tmp_path: Path
) -> None:
    source = tmp_path / "cat.png"
    source.write_bytes(b"before")
    digest = _take(objects, source)
    objects.flush()
    with source.open("r+b") as file:
        file.write(b"AFTER!")
    assert objects.path_of(digest).read_bytes() == b"before"


@pytest.mark.parametrize("count", [1, 40])
def test_a_batch_of_any_size_is_named_by_one_flush(
    objects: ObjectStore, tmp_path: Path, count: int
) -> None:
    digests = [objects.add(f"number {n}".encode()).digest for n in range(count)]
    assert not any((objects.folder / d[7:9] / d[9:]).exists() for d in digests)
    objects.flush()
    assert all((objects.folder / d[7:9] / d[9:]).exists() for d in digests)


def test_what_a_crash_left_half_arrived_is_removed_at_the_next_start(
    objects: ObjectStore,
) -> None:
    objects.add(b"never flushed")
    again = ObjectStore(objects.folder)
    again.discard_incoming()
    assert list((objects.folder / "incoming").iterdir()) == []


def test_an_adopted_file_is_hashed_anew(objects: ObjectStore, tmp_path: Path) -> None:
    made = tmp_path / "out.png"
    made.write_bytes(b"pixels")
    stored = objects.adopt(made)
    objects.flush()
    assert stored.digest == digest_of(b"pixels")
    assert not made.exists()


def test_the_same_bytes_twice_are_kept_once(objects: ObjectStore, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"same")
        _take(objects, tmp_path / name)
    objects.flush()
    assert len([p for p in objects.folder.rglob("*") if p.is_file()]) == 1
