"""What is expensive to make is made once, also where tests run in several processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forking import all_fresh

THREAD_VARIABLES = ("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
"""How many threads TensorFlow and its libraries start; `tests/conftest.py` sets them."""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills, once for all processes of this run of the tests.

    Who asks first makes it; the others wait for the lock. If making it fails, the next who asks
    tries again in an empty place, so that one failure is not taken for a folder that is whole.
    New interpreters make it, not copies (`tests.support.forking`). So a test that compares its
    bytes with its own compares the two.

    Args:
        factory: knows the folder of this run.
        name: what it is called there.
        make: gets the folder, which does not exist yet.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own below that of the run
    folder = base / "made-once" / name
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process that holds it
        if not done.exists():
            target = folder / f"try-{len(list(folder.glob('try-*')))}"
            with all_fresh():
                make(target)
            done.write_text(target.name)
    return folder / done.read_text()
