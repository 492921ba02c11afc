"""The canonical description of what the files of a folder are.

A *manifest* is text, one line a file, sorted by name: ``<sha256 hex> <bytes> <name text>``.
Its digest names the *version*. A folder of more than `FLAT_FILES` files has a root manifest
of up to 256 lines ``<sha256 hex> <files> <bytes> bucket <xx>``, each naming a manifest of the
files whose name hashes to ``xx``. Then a change of one file writes only one bucket and the
root, so that the store grows with the change and not with the folder. Only the number of files
decides which form is used, so the same files always give the same digest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pixd.store.objects import ObjectStore

FLAT_FILES = 512
FLAT_HEADER = b"pixd manifest 1\n"
ROOT_HEADER = b"pixd manifest 1 buckets\n"


class Entry(NamedTuple):
    """One file of a version."""

    digest: str
    size_bytes: int


class Manifest(NamedTuple):
    """A version's digest with its totals."""

    digest: str
    files: int
    size_bytes: int


def bucket_of(name: str) -> str:
    """Return the two hex digits of the bucket that a name belongs to."""
    return hashlib.sha256(name.encode()).hexdigest()[:2]


def render(files: Mapping[str, Entry]) -> bytes:
    """Write the manifest of at most `FLAT_FILES` files, or of one bucket."""
    lines = [
        f"{files[name].digest.removeprefix('sha256:')} {files[name].size_bytes} {name}\n".encode()
        for name in sorted(files)
    ]
    return FLAT_HEADER + b"".join(lines)


def write(objects: ObjectStore, files: Mapping[str, Entry]) -> Manifest:
    """Put the manifest of `files` into the object store and return its digest."""
    size = sum(entry.size_bytes for entry in files.values())
    if len(files) <= FLAT_FILES:
        return Manifest(objects.add(render(files)).digest, len(files), size)
    buckets: dict[str, dict[str, Entry]] = {}
    for name, entry in files.items():
        buckets.setdefault(bucket_of(name), {})[name] = entry
    rows = {
        bucket: (objects.add(render(members)).digest, len(members), _bytes(members))
        for bucket, members in buckets.items()
    }
    return _write_root(objects, rows)


def update(
    objects: ObjectStore,
    parent: Manifest,
    changed: Iterable[str],
    bucket_files: Callable[[str], Mapping[str, Entry]],
) -> Manifest | None:
    """Write the manifest after a change, touching only the buckets that the change touches.

    Args:
        objects: where manifests are kept.
        parent: the manifest before.
        changed: the names added, changed or removed since.
        bucket_files: gives the present files of one bucket.

    Returns:
        The new manifest, or None if the old or the new one is flat: then use `write`.
    """
    data = objects.path_of(parent.digest).read_bytes()
    if not data.startswith(ROOT_HEADER):
        return None
    rows = dict(_root_rows(data))
    for bucket in {bucket_of(name) for name in changed}:
        members = bucket_files(bucket)
        if members:
            rows[bucket] = (objects.add(render(members)).digest, len(members), _bytes(members))
        else:
            rows.pop(bucket, None)
    if sum(row[1] for row in rows.values()) <= FLAT_FILES:
        return None
    return _write_root(objects, rows)


def read(path_of: Callable[[str], Path], digest: str) -> dict[str, Entry]:
    """Return every file of a version by name.

    Args:
        path_of: returns where the bytes of a digest are.
        digest: the version.

    Raises:
        OSError: a manifest on the way cannot be read.
        ValueError: a manifest on the way is not one.
    """
    return dict(_read(path_of, digest))


def totals(path_of: Callable[[str], Path], digest: str) -> tuple[int, int]:
    """Return (files, bytes) of a version; if it has buckets, only its root is read.

    Raises:
        OSError: a manifest on the way cannot be read.
        ValueError: it is not one.
    """
    data = path_of(digest).read_bytes()
    if data.startswith(ROOT_HEADER):
        rows = [row for _, row in _root_rows(data)]
        return sum(row[1] for row in rows), sum(row[2] for row in rows)
    entries = dict(_read(path_of, digest))
    return len(entries), sum(entry.size_bytes for entry in entries.values())


def difference(
    path_of: Callable[[str], Path], old: str | None, new: str
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield (name, old digest, new digest) of each file in which two versions differ.

    Buckets that are the same are not read, so that the cost follows the change.

    Raises:
        OSError: a manifest on the way cannot be read.
        ValueError: a manifest on the way is not one.
    """
    before = _parts(path_of, old) if old else {}
    after = _parts(path_of, new)
    if before.keys() == {""} or after.keys() == {""} or not before:
        sides = [dict(_read(path_of, old)) if old else {}, dict(_read(path_of, new))]
    else:
        differing = [b for b in before.keys() | after.keys() if before.get(b) != after.get(b)]
        sides = [
            {n: e for b in differing if b in parts for n, e in _read(path_of, parts[b])}
            for parts in (before, after)
        ]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        was, is_ = sides[0].get(name), sides[1].get(name)
        if (was and was.digest) != (is_ and is_.digest):
            yield name, was and was.digest, is_ and is_.digest


def _parts(path_of: Callable[[str], Path], digest: str) -> dict[str, str]:
    """Return the digest of each bucket of a version, or {"": digest} of a flat one."""
    data = path_of(digest).read_bytes()
    if data.startswith(ROOT_HEADER):
        return {bucket: row[0] for bucket, row in _root_rows(data)}
    return {"": digest}


def _read(path_of: Callable[[str], Path], digest: str) -> Iterator[tuple[str, Entry]]:
    data = path_of(digest).read_bytes()
    if data.startswith(ROOT_HEADER):
        for _, (bucket_digest, _, _) in _root_rows(data):
            yield from _read(path_of, bucket_digest)
    elif data.startswith(FLAT_HEADER):
        for line in data[len(FLAT_HEADER) :].decode().split("\n")[:-1]:
            hexadecimal, size, name = line.split(" ", 2)
            yield name, Entry("sha256:" + hexadecimal, int(size))
    else:
        raise ValueError(f"{digest} is not a manifest")


def _bytes(files: Mapping[str, Entry]) -> int:
    return sum(entry.size_bytes for entry in files.values())


def _root_rows(data: bytes) -> Iterator[tuple[str, tuple[str, int, int]]]:
    for line in data[len(ROOT_HEADER) :].decode().split("\n")[:-1]:
        hexadecimal, files, size, _, bucket = line.split(" ")
        yield bucket, ("sha256:" + hexadecimal, int(files), int(size))


def _write_root(objects: ObjectStore, rows: Mapping[str, tuple[str, int, int]]) -> Manifest:
    lines = [
        f"{rows[b][0].removeprefix('sha256:')} {rows[b][1]} {rows[b][2]} bucket {b}\n".encode()
        for b in sorted(rows)
    ]
    digest = objects.add(ROOT_HEADER + b"".join(lines)).digest
    return Manifest(digest, sum(r[1] for r in rows.values()), sum(r[2] for r in rows.values()))
