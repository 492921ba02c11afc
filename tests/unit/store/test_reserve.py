"""The room that is kept on the store's disk for gc."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.store import reserve
from pixd.system import disk


def test_it_is_taken_once_and_whole(tmp_path: Path) -> None:
    reserve.take(tmp_path)
    reserve.take(tmp_path)
    found = (tmp_path / reserve.RESERVE).stat()
    assert found.st_size == reserve.RESERVE_BYTES
    assert found.st_blocks * 512 >= reserve.RESERVE_BYTES


def test_it_is_given_only_where_the_disk_has_no_other_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.take(tmp_path)
    reserve.give(tmp_path)
    assert (tmp_path / reserve.RESERVE).exists()
    monkeypatch.setattr(disk, "free_bytes", lambda _: 0)
    reserve.give(tmp_path)
    assert not (tmp_path / reserve.RESERVE).exists()


def test_of_a_disk_that_is_nearly_full_it_takes_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _: 200_000)
    reserve.take(tmp_path)
    assert (tmp_path / reserve.RESERVE).stat().st_size == 200_000


def test_a_store_that_is_away_is_passed_over(tmp_path: Path) -> None:
    reserve.take(tmp_path / "gone")
    reserve.give(tmp_path / "gone")
    assert not list(tmp_path.iterdir())
