"""One Chromium for all tests of a process; a new context, so new storage, for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
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
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def static_site() -> Iterator[str]:
    yield from chromium.serve_static()
