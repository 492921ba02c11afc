"""Fixtures of the end-to-end tests: a tiny pipeline, untrained or trained."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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
