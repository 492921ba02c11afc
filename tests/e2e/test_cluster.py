"""The real service on a real cluster of Ray, whose machines die while they work.

The head and the service are on one host of a small network, two workers of one core on two others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ray_nodes
from tests.support.ray_nodes import ADDRESS, WITHIN_S, RayNodes, engine, on_cluster, until_engine
from tests.support.tiny import Tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(why := ray_nodes.why_not()), reason=why),
]


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    # A host gets one; what trains and translates beside it to compare must not use more.
    monkeypatch.setenv("PIXD_CORES", "1")


@pytest.fixture
def nodes() -> Iterator[RayNodes]:
    with ray_nodes.started("n1", "n2") as made:
        yield made


def weights_of(tiny: Tiny) -> bytes:
    """Return the file with the weights of the live model."""
    (model,) = (tiny.folder / "store" / "models").glob("*/generator.keras")
    return model.read_bytes()


def test_outputs_are_those_of_this_machine_and_a_dead_node_costs_none(
    template: Path, tmp_path: Path, nodes: RayNodes
) -> None:
    count = 250  # pictures repeat after 256
    with (
        Tiny.at(template).copied(tmp_path / "here") as here,
        Tiny.at(template).copied(tmp_path / "there") as there,
    ):
        on_cluster(there, nodes)
        there.inputs(range(count))
        there.start()
        there.until(lambda part: part["input"]["translated"] >= 40, WITHIN_S)
        victim = until_engine(there, lambda told: told["translating"])["translating"].split()[0]
        nodes.kill(victim)
        there.until(lambda part: part["input"]["translated"] == count, WITHIN_S)
        other = ({"n1", "n2"} - {victim}).pop()
        # It may have been so quick that the service has not told yet that it works.
        until_engine(there, lambda told: told["translating"] == other)
        told = there.status()["engine"]
        assert told["lost_by"] == {"translate": {"died": 1}}
        machines = {node["name"]: node for node in told["nodes"]}
        assert (machines[victim]["state"], machines[victim]["lost"]) == ("lost", 1)
        assert machines[other]["runs"] == {"translating tiny": 1}
        heads = [node["state"] for name, node in machines.items() if name not in {victim, other}]
        assert heads == ["no-room"]
        assert there.stop() == 0
        here.inputs(range(count))
        here.once()
        assert there.outputs() == here.outputs()
        states = there.rows("SELECT state, count(*) FROM run WHERE kind = 'translate' GROUP BY 1")
        assert states == [("succeeded", count)]


@pytest.mark.parametrize("fault", ["hangs", "is cut off"])
def test_a_node_that_falls_silent_is_given_up_and_gives_nothing_when_it_is_back(
    template: Path, tmp_path: Path, nodes: RayNodes, fault: str
) -> None:
    count = 150
    with Tiny.at(template).copied(tmp_path / "there") as there:
        on_cluster(there, nodes)
        there.inputs(range(count))
        there.start()
        there.until(lambda part: part["input"]["translated"] >= 30, WITHIN_S)
        victim = until_engine(there, lambda told: told["translating"])["translating"].split()[0]
        if fault == "hangs":
            nodes.stop(victim)
        else:
            nodes.network.cut(victim, is_cut=True)
        there.until(lambda part: part["input"]["translated"] == count, WITHIN_S)
        until_engine(there, lambda told: told["lost"] == 1)
        before = there.outputs()
        if fault == "hangs":
            nodes.go_on(victim)
        else:
            nodes.network.cut(victim, is_cut=False)
        there.inputs(range(count, count + 40))
        there.until(lambda part: part["input"]["translated"] == count + 40, WITHIN_S)
        assert there.stop() == 0
        assert {name: data for name, data in there.outputs().items() if name in before} == before
        states = there.rows("SELECT state, count(*) FROM run WHERE kind = 'translate' GROUP BY 1")
        assert states == [("succeeded", count + 40)]
        ((digests,),) = there.rows("SELECT count(DISTINCT key) FROM run WHERE kind = 'translate'")
        assert digests == count + 40


def test_a_training_goes_on_after_its_node_died_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path, nodes: RayNodes
) -> None:
    here, there = Tiny(tmp_path / "here"), Tiny(tmp_path / "there")
    for tiny in (here, there):
        tiny.configure(steps=400)
        tiny.pairs(range(12))
    on_cluster(there, nodes)
    constants = {"pixd.training.run.CHECKPOINT_EVERY_STEPS": 20}
    there.start(constants)
    try:
        there.until(lambda part: part["train"]["step"] > 60, WITHIN_S)
        folder = there.folder / "store" / "checkpoints"
        there.until(lambda _: any(folder.glob("*/step-*")), WITHIN_S)
        victim = until_engine(there, lambda told: told["training"])["training"]
        nodes.kill(victim)
        there.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
        assert engine(there)["lost"] == 1
        ((node, state, attempts),) = there.rows(
            "SELECT json_extract(body, '$.node'), state, count(*) FROM run"
            " JOIN environment ON environment.digest = run.environment WHERE kind = 'train'"
        )
        assert (node, state, attempts) == (({"n1", "n2"} - {victim}).pop(), "succeeded", 1)
    finally:
        there.stop()
    here.start(constants)
    try:
        here.until(lambda part: part["model"] and not part["model"]["early"], WITHIN_S)
    finally:
        here.stop()
    assert weights_of(there) == weights_of(here)


def test_the_death_of_the_head_is_told_and_the_work_goes_on_when_it_is_back(
    template: Path, tmp_path: Path, nodes: RayNodes
) -> None:
    with Tiny.at(template).copied(tmp_path / "there") as there:
        on_cluster(there, nodes)
        there.inputs(range(30))
        there.start()
        there.until(lambda part: part["input"]["translated"] == 30, WITHIN_S)
        nodes.kill("head")
        until_engine(there, lambda told: "does not answer" in told["why"])
        there.inputs(range(30, 60))
        told = there.status()
        assert told["state"] == "blocked"
        assert f"the cluster at {ADDRESS} does not answer" in told["reasons"][0]
        assert "since 20" in told["reasons"][0]
        there.until(lambda part: part["input"]["files"] == 60)  # files are recorded meanwhile
        for name in ("n1", "n2"):
            nodes.kill(name)
        nodes.head()
        for name in ("n1", "n2"):
            nodes.add(name)
        nodes.until_up("n1", "n2")
        there.until(lambda part: part["input"]["translated"] == 60, WITHIN_S)
        until_engine(there, lambda told: not told["why"])  # it is told with the next heartbeat
        assert there.status()["state"] == "ok"
        failed = there.rows("SELECT reason FROM run WHERE kind = 'translate' AND state = 'failed'")
        assert failed == []
        assert there.stop() == 0
