"""The report of a model as a page: whole in itself, escaped, and plain about what is missing."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pixd.answers.report import curves, page
from pixd.answers.report.curves import Reference, Series
from pixd.answers.report.record import Picture, Record, Setting, Shown, gather, settings_of
from pixd.store import connection, gc
from pixd.store.opening import open_store
from pixd.store.queries import history
from pixd.store.store import Store
from pixd.system.digests import digest_of
from tests.support.commits import record as write_commit
from tests.support.models import add_model
from tests.support.models import pairs as named

PNG = b"\x89PNG not really"
SCRIPT = "<script>alert(1)</script>"
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser does: its elements, its text, and whether they are closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def every(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def model(**changes: Any) -> dict[str, Any]:
    metrics = {
        "l1": 24.06, "psnr": 17.2, "ssim": 0.41, "sharpness": 0.93, "held_out": 12,
        "baselines": {
            "identity": {"l1": 103.9, "psnr": 6.4, "ssim": 0.075, "sharpness": 0.61},
            "mean_target": {"l1": 45.4, "psnr": 13.4, "ssim": 0.261, "sharpness": 0.09},
        },
        "live": {"l1": 31.5, "psnr": 15.0, "ssim": 0.3, "sharpness": None},
    }  # fmt: skip
    return {
        "pipeline": "facades", "name": "model@3", "number": 3, "digest": "sha256:" + "ab" * 32,
        "commit_seq": 7, "steps": 3600, "is_live": True, "is_pinned": False, "metrics": metrics,
        "verdict": {"promote": True, "why": "held-out L1 24.06 against 31.50"},
        "training": {
            "id": 9, "reason": "+20 pairs", "finished_at": "2026-09-20T14:13:05.123456Z",
            "recipe": {"image_size": 256}, "progress": {"step": 4000, "steps": 4000},
            "environment": {"tensorflow": "2.21.0", "device_name": "a processor"},
        },
        **changes,
    }  # fmt: skip


def record(**changes: Any) -> Record:
    parts: dict[str, Any] = {
        "model": model(),
        "commit": {"committed_at": "2026-09-20T12:00:00.000000Z"},
        "pairs": {"train": ["a.png", "b.png"], "held_out": ["c.png", "d.png"]},
        "changes": ["+20 pairs"],
        "before": "model@2",
        "begun_from": "model@2",
        "settings": [Setting("ngf", "32", "64", "16"), Setting("seed", "0", None, None)],
        "curves": {
            "gen_l1_loss": [(step, 60 - step / 100) for step in range(0, 4001, 20)],
            "gen_gan_loss": [(step, 0.7) for step in range(0, 4001, 20)],
            "disc_loss": [(step, 0.6) for step in range(0, 4001, 20)],
            "validation_l1": [(step, 50 - step / 160) for step in range(400, 4001, 400)],
        },
        "sheet": PNG,
        "sheet_trouble": "",
        "shown": [Shown("c.png", (), (), ""), Shown("d.png", (), (), "")],
        "shows_held_out": True,
        "pictures": [Picture("c.png", (PNG,) * 3, 21.0), Picture("d.png", (PNG,) * 3, 27.0)],
    }
    return Record(**{**parts, **changes})


def read(**changes: Any) -> Reader:
    reader = Reader(page.render(record(**changes)))
    assert not reader.open
    return reader


def test_it_says_what_became_of_the_model_and_by_which_numbers() -> None:
    text = " ".join(read().text.split())
    assert "model@3live" in text
    assert "It was promoted: held-out L1 24.06 against 31.50." in text
    assert "24.1L1 of 255 on 12 held-out pairs" in text
    assert "31.5L1 of the model that was live then" in text
    assert "3,600steps of 4,000, the best of them" in text
    assert "training@7 of 2026-09-20 12:00 UTC: 2 pairs to learn from, 2 held out." in text
    assert "Against model@2: +20 pairs. It began from the weights of model@2." in text
    refused = model(is_live=False, verdict={"promote": False, "why": "worse: L1 40 against 31"})
    assert "It was not promoted: worse: L1 40 against 31." in read(model=refused).text


def test_a_setting_is_told_first_where_it_differs_from_the_default_or_the_model_before() -> None:
    text = page.render(record())
    assert re.search(r"<code>ngf</code></td><td>32</td><td>64</td><td>16</td>", text)
    assert text.index("ngf") < text.index("<summary>1 setting as by default") < text.index("seed")
    assert "All as pixd has them by default" in page.render(record(settings=[]))


def test_scores_stand_beside_the_live_model_and_what_learned_nothing() -> None:
    text = page.render(record())
    rows = re.findall(r"<tr.*?>(?=<td>)(.*?)</tr>", text)
    cells = [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]
    assert ["this model", "24.1", "17.2", "0.410", "0.930"] in cells
    assert ["the live model then", "31.5", "15.0", "0.300", "-"] in cells
    assert ["the mean of all targets", "45.4", "13.4", "0.261", "0.090"] in cells
    assert ["the input as it is", "104", "6.40", "0.075", "0.610"] in cells


def test_outputs_that_fit_other_targets_as_well_are_said_at_the_top_and_in_the_table() -> None:
    others = {"n": 12, "own_l1": 24.06, "l1": 24.2, "z": 0.3, "z_possible": 10.0}
    text = page.render(record(model=model(metrics={**model()["metrics"], "others": others})))
    assert "This model is doubtful: its outputs fit the targets of other pairs" in text
    assert "beside the targets of other pairs</td><td" in text
    assert '<td class="number">24.2</td>' in text
    assert "doubtful" not in page.render(record())


def test_it_loads_nothing_and_runs_nothing() -> None:
    text = page.render(record())
    reader = read()
    assert not reader.every("script")
    assert not reader.every("link")
    assert not re.search(r"https?:|url\(|@import|srcset|href", text)
    sources = [image["src"] for image in reader.every("img")]
    assert len(sources) == 2 * 3 + 1
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    policy = next(m for m in reader.every("meta") if "http-equiv" in m)
    assert policy["content"].startswith("default-src 'none'")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.every(
        "meta"
    )


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    name = f"\"'>{SCRIPT}<img src=x onerror=alert(1)>&amp;"
    hostile = model(pipeline=name, verdict={"promote": True, "why": name})
    hostile["training"] |= {"reason": name, "environment": {"device_name": name, "keras": name}}
    reader = read(
        model=hostile,
        pairs={"train": [name], "held_out": [name]},
        changes=[name],
        before=name,
        begun_from=name,
        settings=[Setting(name, name, name, name), Setting(name, name, None, None)],
        sheet=None,
        sheet_trouble=name,
        pictures=[Picture(name, (PNG,) * 3, 1.0), Picture(name, trouble=name)],
    )
    assert not reader.every("script")
    assert all("onerror" not in attributes for _, attributes in reader.elements)
    assert all(image["src"].startswith("data:") for image in reader.every("img"))
    assert reader.every("img")[0]["alt"] == f"input of {name}"
    assert reader.text.count(name) >= 15


def test_what_is_missing_is_said_in_its_place() -> None:
    text = read(
        sheet=None,
        sheet_trouble="the sheet was not kept",
        pictures=[],
        pictures_trouble="the weights of model@3 are no longer kept",
        curves={},
        model=model(metrics={"held_out": 0, "l1": None, "baselines": {}, "live": None}),
    ).text
    assert "There is no sheet: the sheet was not kept." in text
    assert "There are no pictures: the weights of model@3 are no longer kept." in text
    assert "There are no curves" in text
    assert "There are no scores: no pair was held out." in text
    one_gone = [Picture("c.png", (PNG,) * 3, 21.0), Picture("d.png", trouble="it is gone")]
    found = record(pictures=one_gone)
    assert "Not shown: it is gone." in Reader(page.render(found)).text
    assert found.missing == ["d.png: it is gone"]


def test_pairs_that_were_trained_on_are_never_called_held_out() -> None:
    text = read(shows_held_out=False, pairs={"train": ["a.png"], "held_out": []}).text
    assert "Pairs it was trained on" in text
    assert "Pairs it never saw" not in text


def test_a_long_list_of_pairs_ends_with_where_the_rest_is() -> None:
    names = [f"{number}.png" for number in range(page.MOST_NAMES + 5)]
    reader = read(pairs={"train": names, "held_out": ["c.png"]})
    assert "and 5 more, in pixd trace" in reader.text
    assert len(reader.every("li")) == page.MOST_NAMES + 2


# -- curves ----------------------------------------------------------------------------------

POINTS = [(step, 10.0 / step) for step in range(1, 101)]


def drawn(*series: Series, references: tuple[Reference, ...] = (), marked: int = 0) -> Any:
    return ET.fromstring(curves.chart("L1 & <b>", series, references, marked))  # noqa: S314 - ours


def labels(svg: Any) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter("text")]


def test_a_chart_marks_the_exported_step_and_the_values_beside_it() -> None:
    svg = drawn(
        Series("held out", POINTS),
        references=(Reference("live model", 4.0), Reference("far off", 400.0)),
        marked=50,
    )
    assert svg.attrib["aria-label"] == "L1 & <b>"
    assert "exported" in labels(svg)
    assert "live model 4.00" in labels(svg)
    assert not [label for label in labels(svg) if "far off" in label]  # it would flatten the curve
    (marked,) = (p for p in svg.iter("path") if p.get("class") == "marked")
    half_way = curves.LEFT + (curves.WIDTH - curves.LEFT - curves.RIGHT) / 2
    assert marked.get("d", "").startswith(f"M{half_way:.1f} ")
    assert len(list(svg.iter("circle"))) == len(POINTS)


def test_labels_of_values_that_nearly_meet_do_not_lie_on_one_another() -> None:
    svg = drawn(
        Series("held out", POINTS),
        references=(Reference("one", 4.0), Reference("two", 4.01), Reference("three", 4.02)),
    )
    tops = [float(t.get("y", "")) for t in svg.iter("text") if t.get("class") == "note start"]
    assert all(b - a > curves.LABEL_GAP - 0.2 for a, b in itertools.pairwise(tops))


def test_a_series_that_is_empty_is_left_out_and_keeps_its_colour() -> None:
    svg = drawn(Series("training", (), is_noisy=True), Series("held out", POINTS))
    assert {p.get("class") for p in svg.iter("path")} >= {"line s2"}
    assert "line s1" not in {p.get("class") for p in svg.iter("path")}


def test_a_running_mean_neither_lags_nor_moves_what_is_level() -> None:
    line = [(step, 2.0 * step) for step in range(300)]
    means = curves.running_mean(line)
    assert all(value == pytest.approx(2.0 * step) for step, value in means)
    assert (means[0][0], means[-1][0]) == (8, 291)
    assert curves.running_mean(line[:3]) == line[:3]
    assert curves.running_mean([]) == []


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.lists(st.floats(-1e6, 1e6), max_size=3),
    st.integers(0, 10**6),
    st.booleans(),
)
@example([0.0, 2.2e-309], [], 0, False)  # 10**309 is no float
@example([2.2e-309], [5e-324], 0, False)
@example([0.0, 5e-324], [], 0, True)  # a quarter of it is 0
@example([1e6, math.nextafter(1e6, 2e6)], [], 0, False)  # less than two steps lie between them
def test_whatever_the_values_a_chart_is_drawn_inside_of_its_frame(
    values: list[float],
    levels: list[float],
    marked: int,
    is_noisy: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    points = list(enumerate(values))
    references = tuple(Reference("r", level) for level in levels)
    svg = drawn(Series("s", points, is_noisy=is_noisy), references=references, marked=marked)
    for path in svg.iter("path"):
        if path.get("class", "").startswith("line"):
            for pair in path.get("d", "")[1:].split("L"):
                x, y = (float(number) for number in pair.split())
                assert curves.LEFT - 0.1 <= x <= curves.WIDTH - curves.RIGHT + 0.1
                assert curves.TOP - 0.1 <= y <= curves.HEIGHT - curves.BOTTOM + 0.1


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_and_hold_the_range(low: float, span: float) -> None:
    ticks = curves.nice_ticks(low, low + span)
    assert ticks[0] <= low + 1e-6 * span + 1e-9 * abs(low)
    assert ticks[-1] >= low + span - 1e-6 * span - 1e-9 * abs(low)
    assert 2 <= len(ticks) <= 2 + curves.TICKS + 1
    assert math.isfinite(sum(ticks))


# -- what the store knows --------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def gathered(store: Store, number: int, count: int = 12) -> Record:
    with contextlib.closing(connection.open_reader(store.folder)) as reader:
        found = history.model(reader, "p", number)
        assert found is not None
        return gather(reader, store.folder, found, count)


def test_a_model_from_before_there_were_sheets_and_curves_has_its_report(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    write_commit(store, repo, {"a": b"a", "b": b"b"}, [])
    add_model(store, 1, {"train": named("b", "a"), "held_out": []})
    found = gathered(store, 1)
    assert (found.sheet, found.curves) == (None, {})
    assert "was not kept when this model was trained" in found.sheet_trouble
    assert not found.shows_held_out
    assert [(one.name, one.trouble) for one in found.shown] == [("a", ""), ("b", "")]
    assert [path.read_bytes() for one in found.shown for path in one.images] == [b"a", b"b"]
    assert found.before == ""
    assert "Pairs it was trained on" in Reader(page.render(found)).text


def test_pairs_are_shown_by_name_and_those_that_are_gone_or_recalled_are_not(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    write_commit(store, repo, {name: name.encode() for name in "abcde"}, [])
    add_model(store, 1, {"train": named("a"), "held_out": named("e", "d", "c", "b")})
    gc.apply(store, [gc.Garbage(digest_of(b"c"), 1, "c", "a test")])
    store.exclusions.add("p", digest_of(b"d"), "d", "a test", "change")
    found = gathered(store, 1, count=3)
    assert found.shows_held_out
    assert [(one.name, one.trouble) for one in found.shown] == [
        ("b", ""),
        ("c", "its pictures are no longer kept"),
        ("d", "recalled: it is in no report any more"),
    ]


def test_a_model_is_told_beside_the_one_before(store: Store) -> None:
    repo = store.history.repo_id("p", "training")
    write_commit(store, repo, {"a": b"a"}, [])
    write_commit(store, repo, {"b": b"b"}, [])
    first = add_model(store, 1, {"train": named("a"), "held_out": []})
    add_model(store, 2, {"train": named("a", "b"), "held_out": []}, start=first)
    found = gathered(store, 2)
    assert (found.before, found.begun_from, found.changes) == ("model@1", "model@1", ["+1 pair"])
    assert found.pairs == {"train": ["a", "b"], "held_out": []}


def test_settings_are_compared_with_the_defaults_and_with_the_model_before() -> None:
    mine = {"stage": "train", "digest": "d", "epochs": None, "steps": 400, "ngf": 32, "seed": 0}
    old = mine | {"ngf": 64, "replicas": 2}
    models = [{"training": {"recipe": recipe}} for recipe in (mine, old)]
    assert settings_of(*models) == [
        Setting("ngf", "32", "64", "64"),
        Setting("replicas", "1", None, "2"),
        Setting("seed", "0", None, None),
        Setting("steps", "400", "", None),
    ]
