"""Where a path leads, without touching a network file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.system import libc, mounts

NFS = "nfs4"


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that the mount table calls a network file system, and that nobody may touch."""
    far = tmp_path / "far"
    far.mkdir()
    table = (
        f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {far} rw - {NFS} server:/export rw\n"
    ).encode()
    monkeypatch.setattr(libc, "read_mounts", lambda: table)
    real = os.readlink

    def readlink(path: str) -> str:
        assert not Path(path).is_relative_to(far), f"{path} was touched"
        return real(path)

    monkeypatch.setattr("pixd.system.mounts.os.readlink", readlink)
    return far


def test_a_path_onto_a_network_mount_is_followed_to_it_and_no_further(far: Path) -> None:
    assert mounts.find(far / "a" / "b") == (str(far / "a" / "b"), NFS, False)
    assert mounts.may_hang(far) == NFS
    assert mounts.point_of(far / "a") == str(far)


def test_a_link_onto_a_network_mount_is_followed(far: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("far/deep")
    assert mounts.find(tmp_path / "link" / "x") == (str(far / "deep" / "x"), NFS, False)


def test_a_folder_that_holds_a_network_mount_may_hang_too(far: Path, tmp_path: Path) -> None:
    assert mounts.find(tmp_path) == (str(tmp_path), NFS, True)


def test_a_mount_that_is_trusted_is_followed(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (far / "link").symlink_to("real")
    trusted = frozenset({str(far)})
    table = f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {far} rw - {NFS} server:/export rw\n"
    monkeypatch.setattr(libc, "read_mounts", table.encode)
    assert mounts.find(far / "link", trusted=trusted) == (str(far / "real"), "", True)
    assert mounts.find(far / "link").network == NFS


def test_a_network_mount_below_a_trusted_one_may_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = (
        f"1 0 0:1 / / rw - {NFS} server:/root rw\n2 1 0:2 / {tmp_path}/a rw - cifs //server/a rw\n"
    )
    monkeypatch.setattr(libc, "read_mounts", table.encode)
    assert mounts.find(tmp_path, trusted=frozenset({"/"})).network == "cifs"
    assert mounts.find(tmp_path / "b", trusted=frozenset({"/"})).network == ""
    assert mounts.find(tmp_path / "a" / "x", trusted=frozenset({"/"})).network == "cifs"


PARTS = st.lists(st.sampled_from(["a", "b", "link", "up", "round", "..", ".", ""]), max_size=6)


@given(PARTS)
def test_on_local_disks_it_is_the_real_path(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "real-paths"
    if not root.exists():
        (root / "a" / "b").mkdir(parents=True)
        (root / "link").symlink_to("a/b")
        (root / "a" / "up").symlink_to("..")
        (root / "a" / "b" / "link").symlink_to(root / "a")
    path = f"{root}/{'/'.join(parts)}"
    found = mounts.find(path)
    assert (found.path, found.is_whole) == (os.path.realpath(path), True)
