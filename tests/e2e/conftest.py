"""Fixtures of the end-to-end tests: a tiny pipeline, untrained or trained."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.shared import made_once
from tests.support.tiny import Tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    tiny = Tiny(tmp_path / "tiny")
    yield tiny
    if tiny.service:
        tiny.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, translated: Path) -> Iterator[Tiny]:
    """Return a pipeline that has trained once and translated three inputs: a module's own copy."""
    with Tiny.at(translated).copied(tmp_path_factory.mktemp("trained") / "tiny") as tiny:
        tiny.once()  # copied files have other inodes: until they are read again, all inputs wait
        yield tiny


@pytest.fixture
def own(translated: Path, tmp_path: Path) -> Iterator[Tiny]:
    """Return such a pipeline for one test alone."""
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        yield tiny


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, translated: Path) -> Tiny:
    """Make model@2 of one pair more and another setting than model@1 has."""

    def make(folder: Path) -> None:
        shutil.copytree(translated, folder, symlinks=True)
        tiny = Tiny.at(folder)
        shutil.copytree(folder / "output", folder / "first")
        tiny.pairs(range(13))
        tiny.configure(l1_weight=50)
        tiny.once()

    return Tiny.at(made_once(tmp_path_factory, "two-models", make))


@pytest.fixture
def two(made: Tiny, tmp_path: Path) -> Iterator[Tiny]:
    """Return a copy with two models, to be changed at will."""
    with made.copied(tmp_path / "tiny") as tiny:
        yield tiny
