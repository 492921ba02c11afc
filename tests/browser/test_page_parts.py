"""Parts of single pages in a real browser: what each shows, and what its keys and buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tiny import small_png

if TYPE_CHECKING:
    from tests.support.page import Page


def go(page: Any, hash_: str) -> None:
    page.evaluate("to => { location.hash = to }", f"#/{hash_}")


def tell(page: Any, status: dict[str, Any]) -> None:
    """Have the page told this status: where too many streams are open, it asks for it."""
    page.route("**/api/status", lambda route: route.fulfill(json=status))
    page.route("**/api/events", lambda route: route.fulfill(status=429))


def test_the_train_page_shows_the_training_that_runs_above_the_live_model(
    page: Any, site: Page
) -> None:
    _, told = site.ask("/api/status")
    told["pipelines"]["tiny"]["train"] |= {
        "state": "running",
        "reason": "training",
        "step": 561,
        "steps": 2244,
        "eta_seconds": 754,
        "losses": {"gen_l1_loss": 17.25},
        "validation": {"step": 550, "l1": 18.5},
        "preview": "previews/1.png",
        "preview_step": 550,
    }
    tell(page, told)
    sheet = {"body": small_png(1), "content_type": "image/png"}
    page.route("**/api/tiny/preview", lambda route: route.fulfill(**sheet))
    page.goto(site.link)
    go(page, "train/tiny")
    now = page.get_by_role("region", name="The training now")
    now.get_by_role("img", name="Samples of the training of tiny").wait_for()
    assert now.get_by_role("img", name="Progress of the training: 25 %").is_visible()
    for part in ("12 min left", "step 561 of 2,244", "L1 17.3", "held-out L1 18.5 at step 550"):
        assert part in now.inner_text()
    model = page.get_by_role("heading", name="model@1")
    assert now.bounding_box()["y"] < model.bounding_box()["y"]


def test_an_address_of_a_pipeline_that_is_gone_says_so_and_offers_those_there_are(
    page: Any, site: Page
) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    go(page, "gallery/gone")
    page.get_by_text("There is no pipeline gone.").wait_for()
    assert page.locator("button.tile").count() == 0
    page.get_by_role("main").get_by_role("link", name="tiny").click()
    page.wait_for_selector("button.tile img")
    assert page.url.endswith("#/gallery/tiny")


@pytest.mark.slow
def test_a_page_that_did_not_come_comes_when_the_page_process_is_back(
    page: Any, site: Page
) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    site.process.kill()
    page.get_by_role("alert").wait_for()
    go(page, "train/tiny")
    page.get_by_text("This page did not come").wait_for()
    page.wait_for_timeout(2500)  # it is asked for in vain meanwhile
    site.start_again()
    page.wait_for_selector(".pairs img")


def test_a_drawing_that_nobody_answered_is_sent_again_by_itself(page: Any, site: Page) -> None:
    page.route("**/api/tiny/draft*", lambda route: route.abort())
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    go(page, "draw/tiny")
    page.get_by_text("pixd does not answer").wait_for()
    page.unroute("**/api/tiny/draft*")
    made = {"body": small_png(1), "content_type": "image/png"}
    page.route("**/api/tiny/draft*", lambda route: route.fulfill(**made))
    page.wait_for_selector(".panel.output img:not([hidden])")
    assert page.get_by_text("pixd does not answer").count() == 0


@pytest.mark.parametrize("may_change", [True, False])
def test_only_who_may_change_something_is_offered_to_pause_and_to_unpin(
    page: Any, site: Page, *, may_change: bool
) -> None:
    _, told = site.ask("/api/status")
    told |= {"pid": 1, "uptime_seconds": 1}
    tell(page, told)

    def pinned(route: Any) -> None:
        detail = route.fetch().json()
        detail["model"]["is_pinned"] = True
        route.fulfill(json=detail)

    page.route("**/api/tiny/models/1", pinned)
    page.goto(site.link if may_change else site.read_only_link)
    page.wait_for_selector("article.pipeline .strip img")
    assert page.get_by_role("button", name="Pause").is_visible() == may_change
    go(page, "train/tiny")
    page.wait_for_selector(".pairs img")
    assert page.get_by_role("button", name="Unpin").is_visible() == may_change


def test_an_example_to_draw_on_is_asked_for_without_blended_colours(page: Any, site: Page) -> None:
    page.goto(site.link)
    page.wait_for_selector("article.pipeline")
    with page.expect_request("**/picture/pair/tiny/1/*/input?*&nearest=1"):
        go(page, "draw/tiny")
    page.wait_for_selector("canvas")
