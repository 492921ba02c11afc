"""The cache of a machine: whole files by content, within a bound, the least recently used out first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixd.cluster.objects import DamagedObjectError, Objects
from pixd.system.digests import digest_of


def kept(objects: Objects, *datas: bytes) -> list[bool]:
    lacking = objects.lacks([digest_of(data) for data in datas])
    return [digest_of(data) not in lacking for data in datas]


def test_what_is_used_least_recently_goes_first(tmp_path: Path) -> None:
    objects = Objects(tmp_path, 350)
    datas = [bytes([number]) * 100 for number in range(4)]
    for number, data in enumerate(datas[:3]):
        objects.add(digest_of(data), data)
        os.utime(objects.path_of(digest_of(data)), (number, number))
    assert kept(objects, datas[0]) == [True]  # and so it was used just now
    objects.add(digest_of(datas[3]), datas[3])
    assert kept(objects, *datas) == [True, False, True, True]


def test_what_is_in_use_stays_whatever_goes(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "cache", 150)
    first, second = b"1" * 100, b"2" * 100
    objects.add(digest_of(first), first)
    assert objects.link(digest_of(first), tmp_path / "work" / "first")
    objects.add(digest_of(second), second)
    assert kept(objects, first, second) == [False, True]
    assert (tmp_path / "work" / "first").read_bytes() == first
    assert not objects.link(digest_of(first), tmp_path / "work" / "again")


def test_another_process_counts_what_was_there(tmp_path: Path) -> None:
    first, second = b"1" * 100, b"2" * 100
    Objects(tmp_path, 150).add(digest_of(first), first)
    os.utime(Objects(tmp_path, 150).path_of(digest_of(first)), (1, 1))
    objects = Objects(tmp_path, 150)
    objects.add(digest_of(second), second)
    assert kept(objects, first, second) == [False, True]


def test_damage_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    objects = Objects(tmp_path, 1000)
    digest = digest_of(b"whole")
    with pytest.raises(DamagedObjectError):
        objects.add(digest, b"other")
    objects.add_part(digest, 0, b"wh", is_last=False)
    with pytest.raises(DamagedObjectError):
        objects.add_part(digest, 3, b"le", is_last=True)  # one byte is missing
    objects.add_part(digest, 0, b"wh", is_last=False)
    with pytest.raises(DamagedObjectError):
        objects.add_part(digest, 2, b"ale", is_last=True)
    assert kept(objects, b"whole") == [False]
    objects.add_part(digest, 0, b"wh", is_last=False)
    objects.add_part(digest, 2, b"ole", is_last=True)
    assert kept(objects, b"whole") == [True]


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha256:" + "/" * 64, "", "x" * 63])
def test_what_is_no_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(DamagedObjectError, match="no digest"):
        Objects(tmp_path, 1000).path_of(digest)
