"""What is told of a machine that gets no work depends on whether others do it."""

from __future__ import annotations

import pytest

from pixd.answers.health import BLOCKED, DEGRADED, judge
from pixd.store.engine_beat import IDLE, LEFT_OUT, LOST, NO_ROOM, WORKING, Engine, Node
from pixd.store.heartbeat import Heartbeat


@pytest.mark.parametrize(
    ("others", "waits", "state", "begins"),
    [
        ([WORKING], "", DEGRADED, "the others go on"),
        ([WORKING], "1 GPU", DEGRADED, "the others go on"),
        ([IDLE], "", DEGRADED, "the others go on"),
        ([IDLE], "1 GPU", BLOCKED, "once that is mended"),  # they have none
        ([NO_ROOM, LOST, LEFT_OUT], "1 GPU", BLOCKED, "once that is mended"),
        ([], "1 GPU", BLOCKED, "once that is mended"),
        ([], "", DEGRADED, "once that is mended"),
    ],
)
def test_the_others_go_on_only_where_there_are_others(
    others: list[str], waits: str, state: str, begins: str
) -> None:
    states = enumerate([LEFT_OUT, *others])
    engine = Engine(
        left_out={"m0": "m0 has 1.0 GB free"},
        nodes={f"m{number}": Node(name=f"m{number}", state=one) for number, one in states},
        waits=waits,
    )
    found, (problem,) = judge({}, Heartbeat(engine=engine), pid=1, silent_s=0.0)
    assert found == problem.state == state
    assert problem.message == "a machine gets no work: m0 has 1.0 GB free"
    assert problem.advice.startswith(begins)
    assert "goes there by itself" in problem.advice
