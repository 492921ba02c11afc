"""Manifests are canonical: the same files give the same digest, however they came about."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.store import manifests
from pixd.store.manifests import FLAT_FILES, Entry
from pixd.store.objects import ObjectStore
from pixd.system.digests import digest_of
from pixd.system.names import name_from_bytes, name_to_bytes


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def _files(count: int) -> dict[str, Entry]:
    return {f"{n:05d}.png": Entry(digest_of(str(n).encode()), n) for n in range(count)}


@given(st.binary(min_size=1).filter(lambda b: b"\0" not in b))
def test_any_byte_name_survives_the_way_to_text_and_back(name: bytes) -> None:
    text = name_from_bytes(name)
    assert name_to_bytes(text) == name
    assert text.isprintable() or not any(ord(c) < 32 for c in text)
    text.encode()  # what sqlite3 and JSON will do


def test_the_order_in_which_files_are_given_does_not_matter(objects: ObjectStore) -> None:
    files = _files(20)
    backwards = dict(reversed(files.items()))
    assert manifests.write(objects, files) == manifests.write(objects, backwards)


@pytest.mark.parametrize("count", [0, 1, FLAT_FILES, FLAT_FILES + 1, 2000])
def test_a_manifest_reads_back_as_it_was_written(objects: ObjectStore, count: int) -> None:
    files = _files(count)
    manifest = manifests.write(objects, files)
    objects.flush()
    assert manifests.read(objects.path_of, manifest.digest) == files
    assert manifest.files == count
    assert manifest.size_bytes == sum(entry.size_bytes for entry in files.values())


@pytest.mark.parametrize("change", ["add", "change", "remove"])
def test_an_update_gives_what_writing_anew_gives(objects: ObjectStore, change: str) -> None:
    files = _files(1500)
    before = manifests.write(objects, files)
    if change == "add":
        files["new.png"] = Entry(digest_of(b"new"), 3)
        name = "new.png"
    elif change == "change":
        name = "00007.png"
        files[name] = Entry(digest_of(b"other"), 5)
    else:
        name = "00007.png"
        del files[name]
    updated = manifests.update(
        objects,
        before,
        [name],
        lambda bucket: {n: e for n, e in files.items() if manifests.bucket_of(n) == bucket},
    )
    assert updated == manifests.write(objects, files)


def test_a_one_file_change_of_a_large_folder_writes_little(objects: ObjectStore) -> None:
    files = _files(5000)
    before = manifests.write(objects, files)
    objects.flush()
    kept = sum(path.stat().st_size for path in objects.folder.rglob("*") if path.is_file())
    files["new.png"] = Entry(digest_of(b"new"), 3)
    manifests.update(
        objects,
        before,
        ["new.png"],
        lambda bucket: {n: e for n, e in files.items() if manifests.bucket_of(n) == bucket},
    )
    objects.flush()
    after = sum(path.stat().st_size for path in objects.folder.rglob("*") if path.is_file())
    assert after - kept < 30_000


def test_what_is_no_manifest_is_refused(objects: ObjectStore) -> None:
    stored = objects.add(b"a cat")
    objects.flush()
    with pytest.raises(ValueError, match="not a manifest"):
        manifests.read(objects.path_of, stored.digest)
