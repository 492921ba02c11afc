"""A page on a store that has trained and translated, once for all tests that only look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paged import Paged, paged
from tests.support.tiny import Tiny


@pytest.fixture(scope="module")
def shop(translated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """A copy of a folder with a live model and three outputs."""
    with Tiny.at(translated).copied(tmp_path_factory.mktemp("page") / "tiny") as tiny:
        yield tiny


@pytest.fixture(scope="module")
def page(shop: Tiny) -> Iterator[Paged]:
    with paged(shop.folder) as found:
        yield found
