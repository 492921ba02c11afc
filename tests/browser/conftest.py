"""One Chromium for the tests of a module; a new context, so new storage, for each.

Not for all modules: while Playwright runs, an event loop runs in this thread, and a test of another
folder that starts one of its own would fail.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pixd.config import web_runtime
from tests.support import chromium
from tests.support.exported_page import SIDE
from tests.support.kept import kept
from tests.support.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDE = {"width": 1280, "height": 900}
PATIENCE_MS = 60_000.0  # on a machine that other work keeps busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if why := chromium.why_not():
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=chromium.chromium(), args=list(chromium.ARGUMENTS)
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def static_site() -> Iterator[str]:
    yield from chromium.serve_static()


@pytest.fixture(scope="module")
def site(
    browser: Any, translated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """Return a page on a store with a model and three outputs; no service runs on it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(translated, folder / "tiny", symlinks=True)
    started = Page(folder / "tiny")
    yield started
    started.close()


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of the browsers' runtime: the kept one, or as npm fetches it."""
    if web_runtime.kept().is_file():
        return web_runtime.kept()
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no browsers' runtime is kept here, and there is no npm to fetch it")
    folder = tmp_path_factory.mktemp("runtime")
    name = f"onnxruntime-web@{web_runtime.VERSION}"
    done = subprocess.run([npm, "pack", name], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("npm cannot fetch the browsers' runtime")
    return folder / web_runtime.FILE


@pytest.fixture(scope="session")
def generator() -> Any:
    """Return a generator that was not trained."""
    from pixd.pix2pix.network import models

    return models.build_generator(SIDE, 4)


@pytest.fixture(scope="session")
def trial(generator: Any) -> Any:
    """Return what it has to draw, with names as if these were pictures of a training set."""
    from pixd.pix2pix.exports.trial import Trial
    from pixd.pix2pix.network import models

    made = Trial(models.for_computing(generator, "float32"), [], {}, are_held_out=False)
    made.names = [f"{n}.png" for n in range(len(made.inputs))]
    made.targets = made.inputs
    return made


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory, runtime: Path, generator: Any, trial: Any
) -> Path:
    """Return the folder of a page."""
    from pixd.pix2pix.exports import page

    folder = tmp_path_factory.mktemp("page") / "export"
    folder.mkdir()
    page.write(
        kept(generator, folder.parent / "kept"),
        trial,
        folder,
        card={"pairs": "side-by-side", "image_size": SIDE, "steps": 0},
        about={"pipeline": "dots", "digest": "sha256:ab", "dataset": {"version": "sha256:cd"}},
        runtime=runtime,
        weights="float32",
    )
    (folder / "wanted.json").write_text(json.dumps([one.tolist() for one in trial.expected]))
    return folder
