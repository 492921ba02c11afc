"""The text that Prometheus reads: strict, bounded, and each metric explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixd.answers import engine
from pixd.service import prometheus
from pixd.service.prometheus import METRICS, Sample
from pixd.store.engine_beat import NODE_STATES, Engine
from pixd.store.heartbeat import from_json
from pixd.translation.tally import BUCKETS_S, Histogram, Tally
from tests.support import exposition
from tests.support.status_states import machines

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_label_or_value_is_it_comes_back(text: str, value: float) -> None:
    written = prometheus.render([Sample("pixd_build_info", {"version": text}, value)])
    (family,) = exposition.parse(written).values()
    assert family.samples == {("pixd_build_info", (("version", text),)): value}


@pytest.mark.parametrize(
    "broken",
    [
        "pixd_up 1\n",
        "# HELP pixd_up x\n# TYPE pixd_up gauge\npixd_up 1",
        "# HELP pixd_up x\n# TYPE pixd_up gauge\npixd_up  1\n",
        "# HELP pixd_up x\n# TYPE pixd_up gauge\npixd_up{a=b} 1\n",
        "# HELP pixd_up x\n# TYPE pixd_up gauge\npixd_up 1\npixd_up 1\n",
        "# HELP pixd_up x\n# TYPE pixd_up counter\npixd_up 1\n",
        '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_reader_of_these_tests_is_strict(broken: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        exposition.parse(broken)


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_a_histogram_cumulates_and_counts_every_observation(waits: list[float]) -> None:
    histogram = Histogram()
    for wait in waits:
        histogram.observe(wait)
    name = "pixd_drop_to_output_seconds"
    found = prometheus._of_histogram(name, histogram, pipeline="p")
    (family,) = exposition.parse(prometheus.render(found)).values()
    for bound in BUCKETS_S:
        expected = sum(wait <= bound for wait in waits)
        assert family.value(pipeline="p", le=prometheus._number(bound)) == expected
    assert family.samples[f"{name}_count", (("pipeline", "p"),)] == len(waits)
    assert family.samples[f"{name}_sum", (("pipeline", "p"),)] == pytest.approx(sum(waits))


def test_a_wait_is_counted_once_for_each_drop_and_from_the_start_at_the_earliest() -> None:
    tally = Tally()
    tally.since = 100.0
    tally.published(105.0, 104.0)  # dropped while it ran
    tally.published(105.0, 10.0)  # dropped before
    tally.published(105.0, None)  # made anew under another model
    tally.published(105.0, 300.0)  # by a clock that is ahead
    assert tally.results["published"] == 4
    *_, (_, count) = tally.waits.cumulated()
    assert count == 3
    assert tally.waits.sum_s == 1.0 + 5.0 + 0.0


def test_every_metric_is_explained_with_its_type() -> None:
    rows = re.findall(r"^\| `(pixd_\w+)`[^|]*\| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(name, kind) for name, (kind, _) in METRICS.items()]


def test_the_alert_rules_in_the_docs_use_metrics_that_exist() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    used = set(
        re.findall(r"pixd_\w+", "".join(re.findall(r"expr: (.*?)for:", "".join(blocks), re.DOTALL)))
    )
    assert used
    known = set(METRICS) | {"pixd_drop_to_output_seconds_bucket"}
    assert used <= known


def test_the_cluster_is_counted_from_what_status_says_of_it() -> None:
    part = engine.as_json(from_json({"engine": machines()}).engine or Engine())
    families = exposition.parse(prometheus.render(prometheus._of_engine(part)))
    assert families["pixd_engine_up"].value() == 1
    states = {state: families["pixd_engine_nodes"].value(state=state) for state in NODE_STATES}
    assert states == {"working": 2, "idle": 0, "no-room": 1, "left-out": 0, "lost": 1}
    assert families["pixd_hosts"].value(stage="translate") == 1
    assert families["pixd_lost_total"].value(stage="translate", why="died") == 1
    assert families["pixd_lost_total"].value(stage="train", why="silent") == 0
    assert families["pixd_asked_again_total"].value() == 32
    assert families["pixd_engine_wait_seconds"].value() == 190
    assert families["pixd_engine_bytes_total"].value(direction="sent") == 4_100_000
    away = engine.as_json(Engine(why="the cluster at a:1 does not answer"))
    families = exposition.parse(prometheus.render(prometheus._of_engine(away)))
    assert families["pixd_engine_up"].value() == 0
