"""What tests of publishing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.publishing import Publishing


@pytest.fixture
def publishing(tmp_path: Path) -> Iterator[Publishing]:
    """Return ten translations that are made, and where they are published."""
    made = Publishing(tmp_path)
    yield made
    made.store.close()
