"""How fast the page is in a real browser: its size, a stroke's way to a picture, a long gallery.

Usage: python benchmarks/web_page.py LINK [PIPELINE]

LINK is what `pixd web --link` prints, of a page with a live model. The gallery is measured as it
is: run it on a store with 100 outputs and on one with 10,000 to compare them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import chromium

STROKES = 40
FRAMES = 240
PATIENCE_MS = 120_000

WATCH_STROKES = """() => {
  globalThis.took = [];
  let ended = 0;
  const canvas = document.querySelector("canvas");
  const picture = document.querySelector(".panel.output img");
  canvas.addEventListener("pointerup", () => { ended = performance.now(); }, true);
  new MutationObserver(() => {
    if (!ended) return;
    const began = ended;
    ended = 0;
    picture.decode().then(() => requestAnimationFrame(() => took.push(performance.now() - began)));
  }).observe(picture, { attributeFilter: ["src"] });
}"""
MODEL_MS = """() => Number(/: (\\d+) ms the model/.exec(
  document.querySelector("[data-time]").textContent)?.[1] ?? NaN)"""
SCROLL = """(frames) => new Promise((resolve) => {
  const gaps = [];
  const end = document.documentElement.scrollHeight - innerHeight;
  let before = performance.now(), at = 0;
  requestAnimationFrame(function frame(now) {
    gaps.push(now - before);
    before = now;
    at += 1;
    scrollTo(0, (end * at) / frames);
    if (at < frames) requestAnimationFrame(frame);
    else resolve(gaps.slice(2));
  });
})"""
EMPTY = """(frames) => {
  document.body.replaceChildren(document.createElement("div"));
  document.body.firstChild.style.setProperty("height", "100000px");
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the page in a real browser.")
    parser.add_argument("link", help="what `pixd web --link` prints")
    parser.add_argument("pipeline", nargs="?", help="the first one without it")
    asked = parser.parse_args()
    if why := chromium.why_not():
        print(f"skipped: {why}")
        return 0
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium.chromium(), args=list(chromium.ARGUMENTS)
        )
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        measure_load(page, asked.link)
        name = asked.pipeline or page.locator("article.pipeline h2").first.inner_text()
        measure_gallery(page, name)
        measure_strokes(page, name)
        measure_empty(page)
        browser.close()
    return 0


def measure_load(page: Any, link: str) -> None:
    sizes: list[int] = []
    hosts: set[str] = set()

    def note(request: Any) -> None:
        hosts.add(request.url.split("/")[2])
        if request.resource_type != "image":
            told = request.sizes()
            sizes.append(told["responseBodySize"] + told["responseHeadersSize"])

    asked: list[str] = []

    def count(request: Any) -> None:
        if request.resource_type != "image":
            asked.append(request.url)

    page.on("request", count)
    page.on("requestfinished", note)
    page.goto(link)
    page.wait_for_selector("article.pipeline")
    page.wait_for_timeout(1000)
    print(
        f"first load        {sum(sizes) / 1000:.1f} kB, {len(asked)} requests, {len(hosts)} origin"
    )


def measure_gallery(page: Any, name: str) -> None:
    took = page.evaluate(
        """async (to) => {
          const began = performance.now();
          location.hash = to;
          while (!document.querySelector("button.tile")) await new Promise(requestAnimationFrame);
          return performance.now() - began;
        }""",
        f"#/gallery/{name}",
    )
    total = page.locator(".pagehead [role=status]").inner_text()
    elements = page.evaluate("document.querySelectorAll('*').length")
    gaps = page.evaluate(SCROLL, FRAMES)
    print(f"gallery           {total}, {elements} elements, first view {took:.0f} ms")
    print(f"  scrolling       {told(gaps)} between frames")


def measure_strokes(page: Any, name: str) -> None:
    page.evaluate("to => { location.hash = to }", f"#/draw/{name}")
    page.wait_for_selector(".panel.output img:not([hidden])")
    page.wait_for_timeout(1500)
    # A held-out JPEG has other colours than the palette, and is drawn on only when that is asked for.
    in_colours = page.get_by_role("button", name="Draw on it in the palette's colours")
    if in_colours.is_visible():
        in_colours.click()
        page.wait_for_timeout(1500)
    page.evaluate(WATCH_STROKES)
    box = page.locator("canvas").bounding_box()
    models: list[float] = []
    for number in range(STROKES):
        # Over the stroke before, in another colour: one that changes no pixel gives no picture.
        page.keyboard.press("34"[number % 2])
        page.mouse.move(box["x"] + 40 + number * 4, box["y"] + 40)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("count => took.length >= count", arg=number + 1)
        models.append(page.evaluate(MODEL_MS))
    print(f"stroke to picture {told(page.evaluate('took'))}")
    print(f"  of it the model {told(models)}")


def measure_empty(page: Any) -> None:
    page.evaluate(EMPTY)
    print(f"an empty page     {told(page.evaluate(SCROLL, FRAMES))} between frames")


def told(times: list[float]) -> str:
    return (
        f"median {statistics.median(times):.0f} ms,"
        f" p95 {statistics.quantiles(times, n=20)[-1]:.0f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
