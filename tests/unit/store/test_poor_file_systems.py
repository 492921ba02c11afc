"""File systems that lack what most have: locks, hard links. What is told, and what is done instead."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pixd.answers.doctor import abilities
from pixd.store import lock, model_files
from pixd.store.manifests import Entry
from pixd.store.opening import open_store
from pixd.system.errors import StoreError


def refuse(number: int) -> object:
    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def test_without_locks_the_store_is_not_opened_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    with pytest.raises(StoreError, match="cannot lock a file") as caught:
        open_store(tmp_path / "store")
    assert "config.yaml" in caught.value.advice
    assert lock.holder_pid(tmp_path / "store") is None


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_the_files_of_a_model_are_copied(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "store")
    stored = store.objects.add(b"a generator")
    store.objects.flush()
    monkeypatch.setattr(os, "link", refuse(number))
    digest = "sha256:" + "a" * 64
    files = {"generator.keras": Entry(stored.digest, stored.size_bytes)}
    folder = model_files.lay_out(store, digest, files)
    assert (folder / "generator.keras").read_bytes() == b"a generator"
    store.close()


def test_doctor_tries_what_a_store_needs(tmp_path: Path) -> None:
    (found,) = abilities.checks(tmp_path / "store")
    assert (found.state, found.told) == (
        "ok",
        "locks, shared memory, sockets, hard links, synced folders",
    )
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_a_disk_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    (found,) = abilities.checks(tmp_path)
    assert found.state == "warn"
    assert found.told == "no hard links: the files of a model are kept twice"
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    (found,) = abilities.checks(tmp_path)
    assert found.state == "fail"
    assert "has no locks" in found.told
