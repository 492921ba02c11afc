"""The table and the page of what `pixd try` had trained."""

from __future__ import annotations

import json
from typing import Any

from pixd.answers.report import sweep_page
from pixd.answers.report.record import Picture
from pixd.answers.report.sweep_page import Drawn
from pixd.answers.sweep import Outcome, Tried, table
from pixd.store.queries.sweeps import Sweep, Variant
from tests.unit.answers.report.test_page import PNG, SCRIPT, Reader

NAMES = ("one.png", "two.png")


def model(number: int, l1: float | None, ssim: float | None, **more: Any) -> dict[str, Any]:
    metrics = {"l1": l1, "ssim": ssim, "psnr": 20.0, "sharpness": 0.9, "held_out": 2}
    return {
        "name": f"model@{number}", "number": number, "metrics": metrics, "is_live": False,
        "is_pinned": False, **more,
    }  # fmt: skip


def outcome(*tried: Tried, live: Any = None, ended: str | None = "2026-11-29T10:00:00Z") -> Outcome:
    variants = tuple(
        Variant(one.number, one.settings, {"image_size": 32}, None, one.trouble) for one in tried
    )
    sweep = Sweep(
        4, "p", "ada", "c", "2026-11-29T09:00:00Z", 3, "sha256:aa", ended, variants
    )  # fmt: skip
    pair = {"name": "one.png", "files": []}
    ranked = sorted(tried, key=lambda one: one.rank)
    return Outcome(sweep, ranked, live, {"train": [pair] * 5, "held_out": [pair] * 2})


WORSE = Tried(1, {"l1_weight": 50.0, "ngf": 32}, model(7, 20.0, 0.4), "")
BETTER = Tried(2, {"l1_weight": 100.0, "ngf": 32}, model(8, 18.0, 0.5), "")
BROKEN = Tried(3, {"l1_weight": 200.0, "ngf": 32}, None, "given up after 3 attempts")
LIVE = ("model@1, live", {"l1": 19.0, "ssim": 0.45, "psnr": 19.0, "sharpness": 1.0})


def test_the_table_has_the_best_first_and_the_live_model_beside() -> None:
    assert list(table(outcome(WORSE, BETTER, BROKEN, live=LIVE))) == [
        "p: 2 of 3 variants are trained, on 2 held-out pairs of training@3",
        "settings               model         L1   SSIM  sharp   PSNR  state",
        "l1_weight 100, ngf 32  model@8     18.0  0.500   0.90   20.0  best",
        "l1_weight 50, ngf 32   model@7     20.0  0.400   0.90   20.0",
        "l1_weight 200, ngf 32  -              -      -      -      -  given up after 3 attempts",
        "model@1, live                      19.0  0.450   1.00   19.0  for comparison",
    ]


def test_a_variant_that_is_live_is_named_so_and_one_that_waits_too() -> None:
    live = Tried(1, {"ngf": 8}, model(2, 9.0, 0.5, is_live=True, is_pinned=True), "")
    waits = Tried(2, {"ngf": 16}, None, "")
    lines = list(table(outcome(live, waits, ended=None)))
    assert lines[2].endswith("LIVE, pinned")
    assert lines[3].endswith("waits")
    assert list(table(outcome(live, waits)))[3].endswith("not trained")


def test_without_held_out_pairs_no_variant_is_the_best() -> None:
    unscored = Tried(1, {"ngf": 8}, model(2, None, None), "")
    found = outcome(unscored)
    assert found.best is None
    assert "best" not in "\n".join(table(found))
    assert found.as_json()["best"] is None


def test_where_the_live_model_is_better_nobody_is_urged_to_promote_a_variant() -> None:
    good = ("model@1, live", {"l1": 9.0, "ssim": 0.9, "psnr": 25.0, "sharpness": 1.0})
    assert not outcome(WORSE, BETTER, live=LIVE).is_live_better
    assert not outcome(WORSE, BETTER).is_live_better
    found = outcome(WORSE, BETTER, live=good)
    assert found.is_live_better
    page = sweep_page.render(found, [])
    assert "None has better scores than the live model." in page
    assert "pixd promote" not in page


def test_the_json_has_the_numbers_of_the_table() -> None:
    told = json.loads(json.dumps(outcome(WORSE, BETTER, BROKEN, live=LIVE).as_json()))
    assert told["best"] == "model@8"
    assert told["dataset"] == "training@3"
    assert [one["model"] for one in told["variants"]] == ["model@8", "model@7", None]
    assert told["variants"][1]["settings"] == {"train.l1_weight": 50.0, "train.ngf": 32}
    assert told["variants"][0]["metrics"]["l1"] == 18.0
    assert told["live"]["name"] == "model@1, live"


def drawn(told: str) -> Drawn:
    return Drawn(told, [Picture(name, (PNG, PNG, PNG), 12.0) for name in NAMES])


def test_the_page_shows_the_same_pairs_by_each_in_one_place() -> None:
    shown = [drawn(BETTER.told), drawn(WORSE.told), drawn(LIVE[0])]
    page = Reader(sweep_page.render(outcome(WORSE, BETTER, BROKEN, live=LIVE), shown))
    assert page.open == []
    pictures = [at["alt"] for tag, at in page.elements if tag == "img"]
    assert pictures == [
        f"{what} of {name}"
        for name in NAMES
        for what in ("input", "target", BETTER.told, WORSE.told, LIVE[0])
    ]
    assert "The best is model@8: l1_weight 100, ngf 32. It is not live" in page.text
    assert not [tag for tag, _ in page.elements if tag in {"script", "link"}]


def test_the_page_says_what_is_not_shown_and_why() -> None:
    removed = Drawn(WORSE.told, [], "the weights of model@7 are no longer kept")
    recalled = Drawn(BETTER.told, [Picture("one.png", trouble="recalled: it is in no report")])
    text = Reader(sweep_page.render(outcome(WORSE, BETTER), [removed, recalled])).text
    assert "No pictures by l1_weight 50, ngf 32: the weights of model@7 are no longer kept" in text
    assert "Not shown: recalled" in text
    assert "There are no pictures." in Reader(sweep_page.render(outcome(WORSE), [])).text


def test_names_are_only_text() -> None:
    hostile = Drawn(SCRIPT, [Picture(SCRIPT, (PNG, PNG, PNG), 1.0)])
    live = (SCRIPT, LIVE[1])
    page = Reader(sweep_page.render(outcome(WORSE, live=live), [hostile]))
    assert not [tag for tag, _ in page.elements if tag == "script"]
    assert page.text.count(SCRIPT) >= 2
