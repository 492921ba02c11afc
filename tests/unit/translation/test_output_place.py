"""An output folder whose disk is away is not made again; one that was emptied by hand is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.store.opening import open_store
from pixd.store.store import Store
from pixd.translation.output_place import OutputPlace


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an open store."""
    store = open_store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the paths that count as mount points, besides the root."""
    found: set[str] = set()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in {"/", *found})
    return found


def test_a_folder_that_somebody_removed_is_made_again(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "output"
    assert OutputPlace(store, "p", folder).why_not() == ""
    folder.rmdir()
    assert OutputPlace(store, "p", folder).why_not() == ""
    assert folder.is_dir()


@pytest.mark.parametrize("below", ["disk", "disk/output"])
def test_nothing_is_made_in_an_empty_mount_point(
    store: Store, tmp_path: Path, mounts: set[str], below: str
) -> None:
    disk, folder = tmp_path / "disk", tmp_path / below
    folder.mkdir(parents=True)
    mounts.add(str(disk))
    place = OutputPlace(store, "p", folder)
    assert place.why_not() == ""
    mounts.clear()
    if folder != disk:
        folder.rmdir()
    for one in (place, OutputPlace(store, "p", folder)):  # while it runs, and after a restart
        one._believed = None
        assert f"no disk is mounted at {disk}" in one.why_not()
    assert list(disk.iterdir()) == []
    mounts.add(str(disk))  # another disk, empty
    folder.mkdir(exist_ok=True)
    assert OutputPlace(store, "p", folder).why_not() == ""


def test_a_folder_whose_parent_is_gone_is_not_made(store: Store, tmp_path: Path) -> None:
    place = OutputPlace(store, "p", tmp_path / "gone" / "output")
    assert "bring its disk back" in place.why_not()
    assert not (tmp_path / "gone").exists()


def test_another_folder_by_the_configuration_is_made(store: Store, tmp_path: Path) -> None:
    assert OutputPlace(store, "p", tmp_path / "one").why_not() == ""
    assert OutputPlace(store, "p", tmp_path / "two").why_not() == ""
    assert (tmp_path / "two").is_dir()


def test_a_folder_is_held_for_a_block_alone_whatever_its_name_leads_to(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "output"
    place = OutputPlace(store, "p", folder)
    assert place.why_not() == ""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with place.held() as held:
        folder.rename(tmp_path / "away")
        folder.mkdir()
        (held / "x").touch()
    # One that is open would keep its disk from being unmounted.
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert (tmp_path / "away" / "x").exists()
    with pytest.raises(OSError, match="another folder"), place.held():
        pass
