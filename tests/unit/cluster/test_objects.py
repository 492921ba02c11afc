"""The cache of a machine: whole files by content, within a bound, the least recently used out first."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
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


def left_by_a_dead_host(folder: Path, data: bytes) -> None:
    """Have a process die while an object comes."""
    code = (
        "import os, sys; from pathlib import Path; from pixd.cluster.objects import Objects;"
        "objects = Objects(Path(sys.argv[1]), 10**6);"
        "objects.add_part(sys.argv[2], 0, sys.argv[3].encode(), is_last=False);"
        "os._exit(1)"
    )
    told = [str(folder), digest_of(data + b"more"), data.decode()]
    assert subprocess.run([sys.executable, "-c", code, *told], check=False).returncode == 1


def parts(folder: Path) -> list[int]:
    return sorted(path.stat().st_size for path in folder.glob(".*"))


def test_what_a_dead_host_left_half_sent_goes_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    data = b"whole"
    living = Objects(tmp_path, 150)
    living.add_part(digest_of(data), 0, b"wh", is_last=False)
    left_by_a_dead_host(tmp_path, b"1" * 100)
    assert parts(tmp_path) == [2, 100]
    Objects(tmp_path, 150)
    assert parts(tmp_path) == [2]
    left_by_a_dead_host(tmp_path, b"2" * 100)
    living.add(digest_of(b"3" * 151), b"3" * 151)  # more than the bound: room is made
    assert parts(tmp_path) == [2]
    living.add_part(digest_of(data), 2, b"ole", is_last=True)
    assert kept(living, data) == [True]
    assert parts(tmp_path) == []


def test_what_still_comes_counts_too(tmp_path: Path) -> None:
    first, second, large = b"1" * 40, b"2" * 40, b"3" * 100
    objects = Objects(tmp_path, 180)
    objects.add(digest_of(first), first)
    os.utime(objects.path_of(digest_of(first)), (1, 1))
    objects.add_part(digest_of(large), 0, large[:90], is_last=False)
    other = Objects(tmp_path, 150)
    other.add(digest_of(second), second)
    assert kept(other, first, second) == [False, True]
    objects.add_part(digest_of(large), 90, large[90:], is_last=True)


def test_an_object_that_is_sent_anew_or_finds_no_room_leaves_no_part(
    tmp_path: Path,
) -> None:
    objects, digest = Objects(tmp_path, 1000), digest_of(b"whole")
    objects.add_part(digest, 0, b"wh", is_last=False)
    objects.add_part(digest, 0, b"who", is_last=False)
    assert parts(tmp_path) == [3]
    objects.add_part(digest, 3, b"le", is_last=True)
    assert parts(tmp_path) == []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            objects.add(digest_of(b"4" * 101), b"4" * 101)
        with pytest.raises(OSError, match="File too large"):
            objects.add_part(digest, 0, b"4" * 101, is_last=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert parts(tmp_path) == []
