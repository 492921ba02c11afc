"""What all tests share: waiting without sleeping, and an environment of their own."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pixd.pix2pix.importing import importing_tensorflow
from tests.support import forking, left_behind
from tests.support.shared import THREAD_VARIABLES, made_once
from tests.support.tiny import Tiny

# Machines that run tests are often busy: a slow example is no failure.
settings.register_profile(
    "pixd", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pixd")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is first imported
# Some thousand children import pixd; compiled each time, that is a quarter of a `pixd status`.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes on two cores: threads that wait for one another only take each other's time.
    for _name in THREAD_VARIABLES:
        os.environ.setdefault(_name, "1")

_LIBRARY_PATH = "LD_LIBRARY_PATH"
_library_path = os.environ.get(_LIBRARY_PATH)

WaitUntil = Callable[..., None]


@functools.cache
def _server() -> forking.ForkServer:
    return forking.ForkServer.started()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make faults` and the pages that tests render ask for."""
    parser.addoption(
        "--full-size",
        action="store_true",
        help="run the faults, and the store machine, at full size",
    )
    parser.addoption("--regenerate", action="store_true", help="write the rendered pages anew")
    parser.addoption("--figures", metavar="FILE", help="write the faults' table there, as JSON")


LONGEST = (
    "tests/e2e/test_try.py",
    "tests/e2e/test_guarded.py",
    "tests/e2e/test_early.py",
    "tests/e2e/test_main_job.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import what the tests import (TensorFlow, for one) as `pixd.pix2pix.importing` does."""
    with importing_tensorflow(lambda _phase: None):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest. Begun last, it would run on when all others have ended."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Start everything anew for a test that is about how children start, or is to be sure."""
    _put_library_path_back()
    if item.get_closest_marker("fresh"):
        with forking.all_fresh():
            return (yield)
    return (yield)


def _put_library_path_back() -> None:
    """Undo what `import cv2` does to this process's children.

    It changes LD_LIBRARY_PATH (opencv-python-headless 5.0). A child with that variable could load
    other libraries than the fork server, and so would never be started as a copy.
    """
    if _library_path is None:
        os.environ.pop(_LIBRARY_PATH, None)
    else:
        os.environ[_LIBRARY_PATH] = _library_path


@pytest.fixture(scope="session", autouse=True)
def _environment_of_their_own() -> Iterator[None]:
    """Keep the tests from finding the configuration and the signals of whoever runs them."""
    # What runs in the background of a shell begins with Ctrl-C ignored, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PIXD_CONFIG", "XDG_CONFIG_HOME", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail if a process lives on that a test started."""
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(left_behind.VARIABLE, str(folder))
        yield
    if found := left_behind.end_left_behind(folder):
        pytest.fail(f"processes that tests left alive: {found}")


@pytest.fixture(scope="session", autouse=True)
def _tensorflow_imported_once(request: pytest.FixtureRequest) -> None:
    """In several processes, start children as copies; by itself, a test starts all anew."""
    if "PYTEST_XDIST_WORKER" in os.environ and forking.is_possible():
        forking.install(_server)


@pytest.fixture
def wait_until() -> WaitUntil:
    """Return `wait_until(predicate, timeout_s=60.0, what="")`, which fails the test when late.

    The limit is there for what never comes; a busy machine may take long.
    """

    def wait(predicate: Callable[[], object], timeout_s: float = 60.0, what: str = "") -> None:
        deadline = time.monotonic() + timeout_s
        while not predicate():
            if time.monotonic() > deadline:
                pytest.fail(f"after {timeout_s} s still not so: {what or predicate}")
            time.sleep(0.02)  # the one sleep: between two looks

    return wait


# -- pipelines that have trained: once a run, and copied --------------------------------------


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pipeline that has a live model of 12 pairs and an empty input folder.

    It is everybody's: copy it before anything is changed.
    """

    def make(folder: Path) -> None:
        tiny = Tiny(folder)
        tiny.pairs(range(12))
        tiny.once()

    return made_once(tmp_path_factory, "template", make)


@pytest.fixture
def ready(template: Path, tmp_path: Path) -> Iterator[Tiny]:
    """Return a copy of the template, not started: a live model, nothing translated yet."""
    with Tiny.at(template).copied(tmp_path / "tiny") as tiny:
        yield tiny


@pytest.fixture(scope="session")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose pairs and three inputs were dropped at once, trained and translated.

    It is everybody's too.
    """

    def make(folder: Path) -> None:
        tiny = Tiny(folder)
        tiny.pairs(range(12))
        tiny.inputs(range(3))
        tiny.once()

    return made_once(tmp_path_factory, "translated", make)
