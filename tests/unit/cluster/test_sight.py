"""What the service tells of a cluster comes from the reports of its bridges, of those that ended too."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.answers import engine
from pixd.cluster.report import Machine, Report, read_report, write_report
from pixd.cluster.sight import FORGET_S, Sight
from pixd.store.engine_beat import Engine, Node
from pixd.store.heartbeat import Heartbeat, from_json, to_json

NOW = 10_000.0
ONE, OTHER = Path("/one"), Path("/other")


def machine(name: str, **fields: object) -> Machine:
    usual: dict[str, object] = {"cpus": 4.0, "heard_at": NOW - 1}
    return Machine(name=name, **{**usual, **fields})  # type: ignore[arg-type]


def report(stage: str, machines: dict[str, Machine], **fields: object) -> Report:
    usual: dict[str, object] = {"pipeline": "facades", "looked_at": NOW - 2}
    return Report(stage=stage, machines=machines, **{**usual, **fields})  # type: ignore[arg-type]


def told(sight: Sight, now: float = NOW) -> Engine:
    return Engine(address="a:1", **sight.told(now))


def node(sight: Sight, id_: str, now: float = NOW) -> Node:
    return told(sight, now).nodes[id_]


def test_a_machine_has_what_all_bridges_do_there() -> None:
    sight = Sight()
    sight.take(ONE, report("train", {"a": machine("gpu1", hosts=1), "b": machine("gpu2")}))
    translating = machine("gpu1", hosts=2, images_per_second=8.04, lost=1)
    sight.take(OTHER, report("translate", {"a": translating}))
    found = node(sight, "a")
    assert found.runs == {"training facades": 1, "translating facades": 2}
    assert (found.state, found.images_per_second, found.lost) == ("working", 8.04, 1)
    assert node(sight, "b").state == "idle"
    assert (told(sight).training, told(sight).translating) == ("gpu1", "gpu1 gpu1")


def test_what_was_lost_and_done_again_outlasts_the_bridge() -> None:
    sight = Sight()
    lost = report("train", {"a": machine("gpu1", lost=1, lost_at=NOW - 5)}, steps_again=40)
    lost.lost_by["died"] = 1
    sight.take(ONE, lost)
    sight.take(ONE, lost)  # it is read again and again
    sight.end(ONE)
    again = report("translate", {"a": machine("gpu1", lost=1)}, asked_again=12, sent_bytes=7)
    again.lost_by["silent"] = 1
    sight.take(OTHER, again)
    found = told(sight)
    assert found.lost == 2
    assert found.lost_by == {"train": {"died": 1}, "translate": {"silent": 1}}
    assert (found.steps_again, found.asked_again, found.sent_bytes) == (40, 12, 7)
    assert found.nodes["a"].lost == 2
    assert node(sight, "a").state == "lost"
    assert node(sight, "a", NOW + 120).state == "idle"
    assert engine.cost(engine.as_json(found)) == (
        "2 machines at work, since the service started: 12 images and 40 steps done again"
    )


def test_a_machine_that_the_cluster_no_longer_counts_is_lost_until_it_is_back_or_forgotten() -> (
    None
):
    sight = Sight()
    sight.take(ONE, report("train", {"a": machine("gpu1"), "b": machine("gpu2")}))
    gone = machine("gpu1", is_there=False)
    sight.take(ONE, report("train", {"a": gone, "b": machine("gpu2")}))
    assert node(sight, "a").state == "lost"
    both = {"a": gone, "b": machine("gpu2"), "c": machine("gpu1")}  # back, under another id
    sight.take(ONE, report("train", both))
    assert set(told(sight).nodes) == {"b", "c"}
    sight.end(ONE)
    assert set(told(sight, NOW + FORGET_S - 60).nodes) == {"b", "c"}
    assert told(sight, NOW + FORGET_S + 60).nodes == {}


def test_after_a_new_head_the_machines_of_the_old_one_are_lost() -> None:
    sight = Sight()
    sight.take(ONE, report("train", {"a": machine("gpu1")}))
    sight.end(ONE)
    sight.take(OTHER, report("train", {"z": machine("gpu9")}, looked_at=NOW + 30))
    assert node(sight, "a", NOW + 31).state == "lost"


def test_a_head_that_gives_nothing_away_is_no_idle_machine() -> None:
    sight = Sight()
    sight.take(ONE, report("train", {"a": machine("desk", cpus=0.0)}))
    assert node(sight, "a").state == "no-room"


def test_a_machine_that_is_left_out_says_why_while_a_bridge_says_so() -> None:
    sight = Sight()
    sight.take(ONE, report("train", {"a": machine("gpu1", why_not="gpu1 has pixd 0.3: install")}))
    assert (node(sight, "a").state, node(sight, "a").why_not[:13]) == ("left-out", "gpu1 has pixd")
    assert told(sight).left_out == {"gpu1": "gpu1 has pixd 0.3: install"}
    sight.end(ONE)  # whether it still holds is known when it is asked again
    assert node(sight, "a").state == "idle"
    assert told(sight).left_out == {}


def test_what_waits_is_named_with_what_it_waits_for_and_how_long() -> None:
    sight = Sight()
    sight.take(ONE, report("train", {}, waits="1 GPU and 4 CPUs", waits_at=NOW - 200))
    part = engine.as_json(told(sight))
    assert engine.waits(part) == ["training facades waits for 1 GPU and 4 CPUs, for 3 min 20 s"]
    assert part["wait_seconds"] == 200


def test_the_heartbeat_and_the_report_bring_all_of_it_across(tmp_path: Path) -> None:
    sight = Sight()
    made = report("train", {"a": machine("gpu1", hosts=1, free_bytes=5)}, waits="1 GPU")
    made.lost_by["died"] = 1
    write_report(tmp_path, made)
    assert read_report(tmp_path) == made
    sight.take(ONE, made)
    live = Heartbeat(engine=told(sight))
    assert from_json(to_json(live)) == live


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"machines": [1]}', '{"machines": {}, "x": 1}'])
def test_a_report_that_is_none_is_no_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine.json").write_text(text)
    assert read_report(tmp_path) is None
