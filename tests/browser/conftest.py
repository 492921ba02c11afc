"""One Chromium for the tests of a module; a new context, so new storage, for each.

Not for all modules: while Playwright runs, an event loop runs in this thread, and a test of another
folder that starts one of its own would fail.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import chromium
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
