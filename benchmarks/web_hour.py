"""What five open pages cost over time: the page's memory, and the service's processor time.

Usage: python benchmarks/web_hour.py [MINUTES [PART]]   (60, 5)

A tiny pipeline is served while an image is dropped every second. Parts of PART minutes with five
pages open in a real browser (two that look at the status, a gallery, a model, a canvas) come in turn
with parts in which nobody looks. So what the pages cost the service is told from the same run.
Memory is the page's proportional share (PSS).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.processes import cpu_s, memory_mb

from tests.support import chromium
from tests.support.page import Page
from tests.support.tiny import Tiny

DROP_EVERY_S = 1.0
SETTLE_S = 20.0
ROUTES = ("#/", "#/", "#/gallery/tiny", "#/train/tiny", "#/draw/tiny")


def held(pid: int) -> str:
    descriptors, threads = (
        len(list(Path(f"/proc/{pid}/{kind}").iterdir())) for kind in ("fd", "task")
    )
    return f"{memory_mb(pid):5.1f} MB, {descriptors} descriptors, {threads} threads"


class Dropping:
    """Drops an image every second, and tells what the service used meanwhile."""

    def __init__(self, tiny: Tiny) -> None:
        assert tiny.service
        self._tiny, self._pid, self._dropped = tiny, tiny.service.pid, 10

    def go_on_for(self, seconds: float) -> float:
        """Return the service's milliseconds of processor time an image."""
        before, first, ends_at = cpu_s(self._pid), self._dropped, time.monotonic() + seconds
        while time.monotonic() < ends_at:
            began = time.monotonic()
            self._tiny.inputs(range(self._dropped, self._dropped + 1))
            self._dropped += 1
            time.sleep(max(0.0, DROP_EVERY_S - (time.monotonic() - began)))
        return 1000 * (cpu_s(self._pid) - before) / (self._dropped - first)


def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    part_s = 60.0 * (float(sys.argv[2]) if len(sys.argv) > 2 else 5.0)
    if why := chromium.why_not():
        print(f"skipped: {why}")
        return 0
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        tiny = Tiny(Path(name) / "tiny")
        tiny.pairs(range(12))
        tiny.inputs(range(3))
        tiny.once()
        tiny.start()
        page = Page(tiny.folder)
        browser = driver.chromium.launch(
            executable_path=chromium.chromium(), args=list(chromium.ARGUMENTS)
        )
        try:
            measure(browser, tiny, page, minutes * 60, part_s)
        finally:
            browser.close()
            page.close()
            tiny.stop()
    return 0


def measure(browser: Any, tiny: Tiny, page: Page, seconds: float, part_s: float) -> None:
    dropping, web = Dropping(tiny), page.process.pid
    dropping.go_on_for(SETTLE_S)
    print(f"nobody looks yet        {held(web)}")
    used: dict[str, list[float]] = {"nobody looks": [], "five pages": []}
    began, is_first = time.monotonic(), True
    while is_first or time.monotonic() - began < seconds:
        context = browser.new_context()
        tabs = [context.new_page() for _ in ROUTES]
        for tab, route in zip(tabs, ROUTES, strict=True):
            tab.goto(page.link)
            tab.wait_for_selector("article.pipeline")
            tab.evaluate("to => { location.hash = to }", route)
        dropping.go_on_for(SETTLE_S)
        used["five pages"].append(dropping.go_on_for(part_s))
        minute = (time.monotonic() - began) / 60
        print(f"five pages, minute {minute:3.0f}  {held(web)}", flush=True)
        context.close()
        dropping.go_on_for(SETTLE_S)
        used["nobody looks"].append(dropping.go_on_for(part_s))
        is_first = False
    print(f"nobody looks any more   {held(web)}")
    for who, each in used.items():
        print(f"service, {who:13}  {statistics.mean(each):.1f} ms an image, in parts {told(each)}")
    ratio = statistics.median(used["five pages"]) / statistics.median(used["nobody looks"])
    print(f"five pages / nobody     {ratio:.3f}  (bar: 1.02)")


def told(each: list[float]) -> str:
    return " ".join(f"{one:.1f}" for one in each)


if __name__ == "__main__":
    sys.exit(main())
