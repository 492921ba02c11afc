"""When a person who looks elsewhere is told of something, by the page's own script."""

from __future__ import annotations

from typing import Any

import pytest

NOTIFY = """async (reasons) => {
    const { notify } = await import("/notify.js");
    const told = [];
    globalThis.Notification = class { constructor(title, { tag }) { told.push([title, tag]); } };
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    let before = { pipelines: {}, problems: [] };
    for (const reason of reasons) {
        const now = { pipelines: {}, problems: [{ reason, pipeline: "", advice: "" }] };
        notify(before, now);
        before = now;
    }
    return told;
}"""


@pytest.fixture
def told(page: Any, static_site: str) -> Any:
    """Return what tells what is told of one problem after the other."""
    page.goto(f"{static_site}/blank")
    return lambda *reasons: page.evaluate(NOTIFY, reasons)


@pytest.mark.parametrize(
    "reasons",
    [
        [f"the service has not stirred for {seconds} s" for seconds in range(50, 500, 10)],
        ["9 inputs failed, such as in-001.png: no picture", "12 inputs failed, such as in-001.png: no picture"],
        ["the disk has 1.2 GB free", "the disk has 0.97 GB free"],
    ],
)  # fmt: skip
def test_a_problem_that_goes_on_counting_is_told_once(told: Any, reasons: list[str]) -> None:
    assert [title for title, _ in told(*reasons)] == reasons[:1]


def test_a_problem_that_comes_back_takes_the_place_of_its_notification(told: Any) -> None:
    found = told("not stirred for 50 s", "another", "not stirred for 60 s")
    assert len(found) == 3
    assert found[0][1] == found[2][1] != found[1][1]


def test_problems_that_differ_in_a_name_are_each_told(told: Any) -> None:
    reasons = [
        "model@3 is doubtful", "model@14 is doubtful", "in-001.png: no picture", "12.png: no picture",
        "13.png: no picture", "maps2: not answering", "maps-3: not answering",
    ]  # fmt: skip
    assert [title for title, _ in told(*reasons)] == reasons
