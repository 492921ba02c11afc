"""What is imported in bulk is left alone by the cyclic collector."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pixd.pix2pix.importing import importing_tensorflow


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_is_off_in_the_block_and_on_after_it_also_if_the_import_fails() -> None:
    phases: list[str] = []
    with importing_tensorflow(phases.append):
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), importing_tensorflow(phases.append):
        raise ImportError
    assert gc.isenabled()
    assert phases == ["importing TensorFlow"] * 2


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with importing_tensorflow(lambda _phase: None):
        pass
    assert not gc.isenabled()


def test_a_full_collection_looks_at_nothing_that_was_imported() -> None:
    program = """
import gc
from pixd.pix2pix.importing import importing_tensorflow
before = gc.get_stats()[2]["collections"]
with importing_tensorflow(print):
    kept = [[[]] for _ in range(300_000)]
assert gc.get_stats()[2]["collections"] == before
assert len(gc.get_objects()) < 100_000 < gc.get_freeze_count()
kept[0].append(kept)  # what is frozen is still counted, and still freed by its count
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
