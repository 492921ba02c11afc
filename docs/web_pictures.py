"""Draw the pictures of docs/web.md: the real page, in the real browser.

Usage: python docs/web_pictures.py LINK [FOLDER] [--all]     (docs/pictures)

LINK is what `pixd web --link` prints, of a running page with a model, such as that of `make demo`.
Without `--all` only the pictures that the page of the docs shows; with it each page, wide and
phone, bright and dark.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import chromium

WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
PAGES = ("status", "gallery", "opened", "draw", "train", "why", "upload", "settings")
SHOWN = (
    ("draw", "wide", "light"),
    ("status", "wide", "light"),
    ("opened", "wide", "dark"),
    ("train", "wide", "dark"),
    ("draw", "phone", "dark"),
)
COLOURS = 160  # a palette: a third of the size, and nobody sees it
SMALL = (
    "2f7d4f", "b04a32", "8a5a00", "2b62c0", "7cc79a", "e39478", "e0b05c", "86aef5",
    "a9ff55", "ffff00", "55ffaa", "ff5500", "00aaff",
)  # fmt: skip
"""Colours of dots, badges and swatches: too few pixels for a palette to keep them by itself."""
WAIT_MS = 60_000  # a model that is loaded for the first time


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/web.md.")
    parser.add_argument("link", help="what `pixd web --link` prints")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(__file__).with_name("pictures")
    )
    parser.add_argument("--all", action="store_true", help="each page, size and scheme")
    parser.add_argument("--only", help="only this page")
    asked = parser.parse_args()
    if why := chromium.why_not():
        print(why, file=sys.stderr)
        return 1
    wanted = (
        [(page, size, scheme) for size in ("wide", "phone") for scheme in ("light", "dark")
         for page in PAGES]
        if asked.all
        else list(SHOWN)
    )  # fmt: skip
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium.chromium(), args=list(chromium.ARGUMENTS)
        )
        for size in ("wide", "phone"):
            for scheme in ("light", "dark"):
                pages = [page for page, *how in wanted if how == [size, scheme]]
                pages = [page for page in pages if asked.only in {None, page}]
                if pages:
                    draw(browser, asked.link, asked.folder, pages, size, scheme)
        browser.close()
    return 0


def draw(browser: Any, link: str, folder: Path, pages: list[str], size: str, scheme: str) -> None:
    context = browser.new_context(
        viewport=WIDE if size == "wide" else PHONE,
        color_scheme=scheme,
        has_touch=size == "phone",
        is_mobile=size == "phone",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(link)
    page.wait_for_selector("article.pipeline .strip img")
    for name in pages:
        show(page, name)
        page.evaluate("scrollTo(0, 0)")
        path = folder / f"web-{name}-{size}-{scheme}.png"
        page.screenshot(path=path)
        with Image.open(path) as image:
            reduced(image.convert("RGB")).save(path, optimize=True)
        print(path)
    context.close()


def reduced(image: Image.Image) -> Image.Image:
    found = image.quantize(COLOURS).getpalette() or []
    table = Image.new("P", (1, 1))
    table.putpalette(found[: 3 * COLOURS] + list(bytes.fromhex("".join(SMALL))))
    return image.quantize(palette=table, dither=Image.Dither.NONE)


def show(page: Any, name: str) -> None:
    shown = "gallery" if name == "opened" else name
    page.evaluate("hash => { location.hash = hash }", f"#/{shown}")
    if name == "status":
        page.wait_for_selector("article.pipeline .strip img")
    elif name in {"gallery", "opened"}:
        page.wait_for_selector("button.tile img")
        if name == "opened":
            page.locator("button.tile").nth(1).click()
            page.wait_for_selector("dialog .compare img")
    elif name == "draw":
        page.wait_for_selector(".panel.output img:not([hidden])")
        page.wait_for_selector(".panel.target img")
        stroke(page)
    elif name == "train":
        page.wait_for_selector(".three .hole img[src^=blob]:not([hidden])")
        page.wait_for_timeout(3000)
    elif name == "why":
        page.evaluate("hash => { location.hash = hash }", "#/why?thing=output/unseen-03.png")
        page.wait_for_selector(".tree img")
    page.wait_for_timeout(600)


def stroke(page: Any) -> None:
    """Draw a door into the example, so that it is a drawing of somebody's own."""
    page.get_by_role("button", name="Rectangle").click()
    page.get_by_role("button", name="Colour 6:").click()
    at = page.locator("canvas").bounding_box()
    page.mouse.move(at["x"] + 0.45 * at["width"], at["y"] + 0.72 * at["height"])
    page.mouse.down()
    page.mouse.move(at["x"] + 0.56 * at["width"], at["y"] + 0.92 * at["height"], steps=3)
    page.mouse.up()
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)  # the translation follows


if __name__ == "__main__":
    sys.exit(main())
