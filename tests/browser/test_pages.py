"""Every page in a real browser: what it asks for, what it says, and whether everybody can use it."""

from __future__ import annotations

import re
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pixd.answers.engine import as_json
from pixd.store.engine_beat import Engine
from pixd.store.heartbeat import from_json
from tests.support.chromium import Console
from tests.support.page import Page
from tests.support.status_states import machines
from tests.support.tiny import Tiny, small_png

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {
    "status": "article.pipeline .strip img",
    "gallery/tiny": "button.tile img",
    "draw/tiny": "canvas",
    "train/tiny": ".pairs img",
    "why?thing=output/in-001.png": ".tree img",
    "upload/tiny": ".dropzone",
    "settings": "pre",
}
MOST_BYTES, MOST_REQUESTS = 60_000, 12
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def go(page: Any, hash_: str) -> None:
    page.evaluate("to => { location.hash = to }", f"#/{hash_}")


def open_each(page: Any, site: Page) -> Any:
    """Open each page in turn; yields its name when it is there."""
    page.goto(site.link)
    for name, part in PAGES.items():
        go(page, name)
        page.wait_for_selector(part)
        yield name


def test_every_page_asks_its_own_origin_alone_and_breaks_no_rule(page: Any, site: Page) -> None:
    console = Console(page)
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
    )
    assert len(list(open_each(page, site))) == len(PAGES)
    assert console.errors == []
    own = [url for url in console.requests if not url.startswith("blob:")]
    assert {url.split("/")[2] for url in own} == {site.address.split("/")[2]}
    assert {url.split("/")[2] for url in console.requests if url.startswith("blob:")} <= {
        site.address.split("/")[2], "127.0.0.1",
    }  # fmt: skip


def test_the_token_leaves_the_address_and_is_in_no_request(page: Any, site: Page) -> None:
    console = Console(page)
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    assert page.url == f"{site.address}/#/status"
    assert not [url for url in console.requests if site.secrets.full in url]
    page.reload()
    page.wait_for_selector("article.pipeline")


def test_without_a_token_the_page_asks_for_one_and_shows_nothing(page: Any, site: Page) -> None:
    page.goto(site.address)
    page.get_by_label("Link or token").fill(site.link)
    page.get_by_role("button", name="Open").click()
    page.wait_for_selector("article.pipeline")
    page.evaluate("localStorage.setItem('pixd-token', 'x'.repeat(43))")
    page.reload()
    page.get_by_text("That token is not known here").wait_for()
    page.goto(site.link)  # only the part behind the # is another: the browser loads nothing
    page.wait_for_selector("article.pipeline")


def test_the_first_load_is_small(page: Any, site: Page) -> None:
    sizes: dict[str, int] = {}

    def note(request: Any) -> None:
        if request.resource_type != "image":
            told = request.sizes()
            sizes[request.url] = told["responseBodySize"] + told["responseHeadersSize"]

    page.on("requestfinished", note)
    asked: list[str] = []

    def count(request: Any) -> None:
        if request.resource_type != "image":
            asked.append(request.url)

    page.on("request", count)
    page.goto(site.link)
    page.wait_for_selector("article.pipeline .strip img")
    page.wait_for_timeout(300)
    assert len(asked) <= MOST_REQUESTS, asked
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def test_the_numbers_are_those_of_the_status(page: Any, site: Page) -> None:
    page.goto(site.link)
    card = page.locator("article.pipeline")
    card.wait_for()
    _, told = site.ask("/api/status")
    part = told["pipelines"]["tiny"]
    text = card.inner_text()
    assert f"{part['input']['files']} inputs" in text
    assert f"{part['input']['translated']} translated" in text
    assert f"{part['output']['current']} current outputs" in text
    assert f"model@{part['model']['number']}" in text
    assert page.locator("h1").inner_text().startswith("NOT RUNNING")


def test_the_machines_of_a_cluster_are_shown_where_there_is_one(page: Any, site: Page) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    part = page.get_by_role("region", name="Machines")
    assert part.is_hidden()
    assert not [url for url in loaded if "cluster.js" in url]
    _, told = site.ask("/api/status")
    with_engine = told | {"engine": as_json(from_json({"engine": machines()}).engine or Engine())}
    page.route("**/api/status", lambda route: route.fulfill(json=with_engine))
    # Where too many streams are open, the page asks for the status instead.
    page.route("**/api/events", lambda route: route.fulfill(status=429))
    page.reload()
    part.wait_for()
    text = part.inner_text()
    assert "translating facades waits for 1 GPU and 2 CPUs, for 3 min 10 s" in text
    rows = part.get_by_role("listitem").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["desk", "gpu1", "gpu2", "gpu3"]
    assert "training facades" in rows[1]
    assert "31.4 images/s" in rows[2]
    assert "lost once" in rows[3]
    assert "Lost 1 machine at work, since the service started: 32 images done again" in text


@pytest.mark.slow
def test_before_a_model_is_unpinned_the_page_says_what_the_plan_says(
    page: Any, translated: Path, tmp_path: Path
) -> None:
    with Tiny.at(translated).copied(tmp_path / "tiny") as tiny:
        assert tiny.pixd("promote", "model@1").returncode == 0
        tiny.start()
        tiny.until(lambda part: part["input"]["translated"] == 3)
        with closing(Page(tiny.folder)) as site:
            page.goto(site.link)
            page.wait_for_selector("article.pipeline")
            go(page, "train/tiny")
            page.get_by_role("button", name="Unpin").click()
            dialog = page.locator("dialog")
            said = dialog.inner_text()
            assert "model@1 is no longer pinned" in said
            for line in tiny.pixd("plan").stdout.splitlines()[1:]:
                assert " ".join(line.split()).replace("the live model and", "model@1 and") in said
            dialog.get_by_role("button", name="Unpin").click()
            tiny.until(lambda part: not part["model"]["pinned"])


def test_the_sheet_of_samples_is_fetched_each_time_it_was_drawn(page: Any, site: Page) -> None:
    _, told = site.ask("/api/status")
    drawn = {"step": 3}

    def status(route: Any) -> None:
        train = told["pipelines"]["tiny"]["train"]
        train |= {"state": "running", "steps": 9, "preview": "p.png", "preview_step": drawn["step"]}
        route.fulfill(json=told)

    page.route("**/api/status", status)
    sheet = "**/api/tiny/preview"
    page.route(sheet, lambda route: route.fulfill(body=small_png(1), content_type="image/png"))
    page.route("**/api/events", lambda route: route.fulfill(status=429))
    with page.expect_request(sheet):
        page.goto(site.link)
    with page.expect_request(sheet):
        drawn["step"] = 6


@pytest.mark.slow
def test_the_train_page_is_left_as_it_is_while_inputs_are_translated(page: Any, site: Page) -> None:
    page.goto(site.link)
    go(page, "train/tiny")
    page.wait_for_selector(".pairs img")
    page.evaluate("document.querySelector('details').open = true")

    def tell(what: str) -> None:
        event = f'event: changed\ndata: {{"pipeline": "tiny", "what": "{what}"}}\n\n'
        told = {"content_type": "text/event-stream", "body": event}
        page.route("**/api/events", lambda route: route.fulfill(**told), times=1)
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    for what in ("files", "outputs"):
        tell(what)
        page.wait_for_timeout(1500)
    assert "events" in asked
    assert "models" not in asked
    assert page.locator("details[open]").count() == 1
    tell("training")
    page.locator("details[open]").wait_for(state="detached")


@pytest.mark.slow
def test_it_says_within_5_s_that_the_page_process_is_gone_and_when_it_is_back(
    page: Any, site: Page
) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    site.process.kill()
    page.get_by_role("alert").wait_for(timeout=5000)
    assert page.get_by_role("alert").inner_text().startswith("Not connected")
    assert page.locator("h1").inner_text().startswith("Not connected")
    site.start_again()
    page.get_by_role("alert").wait_for(state="hidden")
    assert page.locator("h1").inner_text().startswith("NOT RUNNING")


@pytest.mark.slow
def test_it_says_within_5_s_that_the_page_process_hangs(page: Any, site: Page) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    page.wait_for_timeout(6000)  # nothing happens, and that is no reason to say so
    assert page.get_by_role("alert").is_hidden()
    site.process.send_signal(signal.SIGSTOP)
    try:
        page.get_by_role("alert").wait_for(timeout=5000)
        assert page.get_by_role("alert").inner_text().startswith("Not connected")
        page.wait_for_timeout(6000)  # a new stream is no better: the kernel takes the connection
        assert page.get_by_role("alert").is_visible()
    finally:
        site.process.send_signal(signal.SIGCONT)
    page.get_by_role("alert").wait_for(state="hidden")


@pytest.mark.slow
def test_seven_tabs_are_all_live(page: Any, site: Page) -> None:
    tabs = [page, *(page.context.new_page() for _ in range(6))]
    for tab in tabs:
        tab.goto(site.link)
    for tab in tabs:
        tab.wait_for_selector("article.pipeline .strip img")
    tabs[0].close()  # another takes its turn
    for tab in tabs[1:]:
        go(tab, "settings")
        tab.wait_for_selector("pre")
        assert tab.get_by_role("alert").is_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Any, site: Page, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        told = axe.run(page, options={"runOnly": AXE_TAGS}).response["violations"]
        problems = [
            f"{one['id']}: {node['html'][:160]} {node['failureSummary'][-160:]}"
            for one in told
            for node in one["nodes"]
        ]
        if problems:
            found[name] = problems

    for name in open_each(page, site):
        look(name)
        if name.startswith("gallery"):
            page.locator("button.tile").first.click()
            page.wait_for_selector("dialog .compare")
            look("an output")
            page.keyboard.press("Escape")
    assert found == {}


@pytest.mark.slow
def test_it_is_usable_at_320_px_and_nothing_runs_off_the_side(page: Any, site: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    wide = {
        name: width
        for name in open_each(page, site)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 320
    }
    assert wide == {}


def test_a_read_only_link_offers_no_change(page: Any, site: Page) -> None:
    page.goto(site.read_only_link)
    page.wait_for_selector("article.pipeline")
    go(page, "upload/tiny")
    page.get_by_text("This link may only look").wait_for()
    go(page, "draw/tiny")
    page.wait_for_selector("canvas")
    assert page.get_by_role("button", name=re.compile("Save as")).count() == 0
    status, told = site.ask(
        "/api/tiny/input/new.png", token=site.secrets.read, method="PUT", body=b"x"
    )
    assert (status, told["error"]["message"]) == (403, "this token may only read")
    assert not (site.folder / "input" / "new.png").exists()


def test_an_output_is_seen_with_its_input_by_keyboard(page: Any, site: Page) -> None:
    page.goto(site.link)
    go(page, "gallery/tiny")
    page.locator("button.tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    second = dialog.locator("h2").inner_text()
    page.keyboard.press(" ")
    assert dialog.locator("input[type=range]").input_value() == "0"
    page.keyboard.press(" ")
    assert dialog.locator("input[type=range]").input_value() == "100"
    page.keyboard.press("ArrowLeft")
    assert dialog.locator("input[type=range]").input_value() == "99"
    assert dialog.locator("h2").inner_text() == second
    page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function(
        "old => document.querySelector('dialog h2').innerText !== old", arg=second
    )
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    page.keyboard.press("Enter")
    dialog.get_by_role("link", name="What made it").click()
    dialog.wait_for(state="detached")
    page.wait_for_selector(".tree")


def test_a_list_that_did_not_come_is_asked_for_again(page: Any, site: Page) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    refused: list[str] = []

    def refuse(route: Any) -> None:
        refused.append(route.request.url)
        route.abort()

    page.route("**/api/tiny/outputs?*", refuse, times=1)
    go(page, "gallery/tiny")
    page.wait_for_selector("button.tile img")
    assert len(refused) == 1


def test_the_skip_link_stays_on_the_page(page: Any, site: Page) -> None:
    page.goto(site.link)
    go(page, "gallery/tiny")
    page.wait_for_selector("button.tile img")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.endswith("#/gallery/tiny")


def test_draw_says_which_model_is_live_now_and_takes_the_one_it_is_told(
    page: Any, site: Page
) -> None:
    _, models = site.ask("/api/tiny/models")
    (row,) = models["rows"]
    models["rows"].insert(0, {**row, "number": 2, "name": "model@2"})
    page.route("**/api/tiny/models", lambda route: route.fulfill(json=models))
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    go(page, "draw/tiny?model=2")
    page.wait_for_selector("canvas")
    choice = page.get_by_label("Model")
    assert choice.locator("option").all_inner_texts() == ["model@1, live", "model@2"]
    assert choice.input_value() == "2"
    go(page, "settings")
    page.wait_for_selector("pre")
    models["live"] = 2
    go(page, "draw/tiny")
    page.wait_for_selector("canvas")
    assert choice.locator("option").all_inner_texts() == ["model@2, live", "model@1"]
    assert choice.input_value() == ""


def test_a_name_that_looks_like_html_stays_text(page: Any, site: Page) -> None:
    page.goto(site.link)
    go(page, "why?thing=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    page.locator(".error").wait_for()
    assert page.locator("main img").count() == 0
