"""A warm child that is killed, hangs, or cannot start: nothing is lost and nobody blamed in error."""

from __future__ import annotations

import functools
import os
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.system.children import warm_worker
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.spec import InspectSpec
from pixd.system.children.warm_worker import Note, WarmWorker

WaitUntil = Callable[..., None]

ANSWERS = """
import json, os, resource, signal, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
say = lambda **event: print(json.dumps(event), flush=True)
say(event="ready")
for line in sys.stdin:
    asked = json.loads(line)
    with open(asked["seen"], "a") as seen:
        seen.write(asked["what"] + "\\n")
    match asked["what"]:
        case "crash": os.kill(os.getpid(), signal.SIGSEGV)
        case "hang": time.sleep(600)
        case "killed": os.kill(os.getpid(), signal.SIGKILL)
        case "killed once" if not os.path.exists(asked["seen"] + ".once"):
            open(asked["seen"] + ".once", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    say(event="done", id=asked["id"])
"""


class Asker:
    """A warm worker, stepped with a clock of its own so that waits cost nothing."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.seen = folder / "seen"
        self.now = time.monotonic()
        self.answers: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.notes: list[Note] = []
        options = {"spawner": LocalSpawner(), "idle_s": 600.0, "answer_within_s": 600.0, **options}
        self.warm = WarmWorker(
            "answers", InspectSpec(), folder / "scratch", folder / "log", **options
        )

    def ask(self, *whats: str) -> None:
        for what in whats:
            self.warm.submit(what, {"what": what, "seen": str(self.seen)})

    def step(self, forward_s: float = 0.0) -> None:
        self.now = max(self.now, time.monotonic()) + forward_s
        self.warm.step(self.now)
        for answer in self.warm.collect():
            self.answers[answer.token] = answer.event["event"]
            self.reasons[answer.token] = str(answer.event.get("reason", ""))
        self.notes += self.warm.notes
        self.warm.notes.clear()

    def has_been_asked(self, what: str, times: int) -> bool:
        self.step()
        return self.asked().count(what) == times

    def has_no_child(self) -> bool:
        self.step()
        return self.warm.worker is None

    def is_through(self) -> bool:
        # Backoff passes at once: every step is two seconds on the worker's clock.
        self.step(2.0)
        return not self.warm.load

    def asked(self) -> list[str]:
        return self.seen.read_text().split("\n")[:-1] if self.seen.exists() else []


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Asker]]:
    (tmp_path / "modules").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    made: list[Asker] = []

    def make(code: str = ANSWERS, **options: Any) -> Asker:
        (tmp_path / "modules" / "answers.py").write_text(textwrap.dedent(code))
        made.append(Asker(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.warm.stop()


def test_the_one_that_crashes_its_child_is_found_and_the_others_are_answered(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker()
    one.ask("a", "b", "crash", "c")
    wait_until(one.is_through)
    assert one.answers == {"a": "done", "b": "done", "crash": "crashed", "c": "done"}
    assert "SIGSEGV" in one.reasons["crash"]
    assert one.warm.trouble == ""
    assert one.notes


AWAY = """
import json, os, sys
from pathlib import Path
from pixd.system.children.spec import Result, result_to_json
say = lambda **event: print(json.dumps(event), flush=True)
error = {"kind": "cluster", "message": "the cluster went away", "advice": "start it"}
Path("result.json").write_text(json.dumps(result_to_json(Result(state="failed", error=error))))
say(event="ready")
say(event="width", hosts=2, times=4)
for line in sys.stdin:
    asked = json.loads(line)
    with open(asked["seen"], "a") as seen:
        seen.write(asked["what"] + "\\n")
    with open(asked["seen"]) as seen:
        if len(seen.readlines()) <= 6:
            os._exit(1)
    say(event="done", id=asked["id"])
"""


class Noting(LocalSpawner):
    """Starts children here, and keeps what it is told of where they run."""

    def __init__(self) -> None:
        self.away: list[tuple[str, str]] = []

    def note_away(self, why: str, mend: str) -> None:
        self.away.append((why, mend))


def test_a_cluster_that_goes_away_again_and_again_blames_no_request(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    spawner = Noting()
    one = asker(AWAY, spawner=spawner)
    one.ask("a", "b")
    wait_until(one.is_through)
    assert one.answers == {
        "a": "done",
        "b": "done",
    }  # after six deaths, three times as many as blame
    assert spawner.away == [("the cluster went away", "start it")] * 6
    assert {note.message for note in one.notes} == {"the cluster went away: start it"}
    assert one.warm.width == 4


def test_a_cluster_that_goes_away_while_nothing_is_asked_is_no_trouble_of_the_child(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    spawner = Noting()
    one = asker(AWAY, spawner=spawner)
    one.ask("a")
    wait_until(one.is_through)
    assert one.warm.worker is not None
    os.kill(one.warm.worker.pid, signal.SIGKILL)
    wait_until(one.has_no_child)
    assert {why for why, _ in spawner.away} == {"the cluster went away"}
    assert one.warm.trouble == ""  # nothing would come that could say that it works again


TILES = """
import json, sys, time
say = lambda **event: print(json.dumps(event), flush=True)
say(event="ready")
held = []
for line in sys.stdin:
    held.append(json.loads(line))
    if len(held) == 2:
        for tiles in range(1, 6):
            say(event="progress", id=held[1]["id"], done=tiles, of=6)
            while not __import__("os").path.exists(f"{held[0]['seen']}.{tiles}"):
                time.sleep(0.01)
        say(event="done", id=held[1]["id"])
        say(event="done", id=held[0]["id"])
"""


def test_a_request_that_comes_a_step_further_is_waited_for_and_so_is_what_waits_behind_it(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(TILES, answer_within_s=warm_worker.LONGEST_ANSWER_S + 1)
    one.ask("behind", "large")
    for tiles in range(1, 6):

        def has_come(tiles: int = tiles) -> bool:
            one.step()
            return one.warm.step_made == ("large", tiles, 6)

        wait_until(has_come)
        one.step(warm_worker.LONGEST_ANSWER_S - 60)  # five times: hours in all
        (one.seen.parent / f"seen.{tiles}").touch()

    def is_answered() -> bool:
        one.step()
        return len(one.answers) == 2

    wait_until(is_answered)
    assert one.answers == {"behind": "done", "large": "done"}
    assert one.warm.step_made is None
    assert not one.notes


def test_of_a_child_that_answers_in_order_only_the_first_is_asked_again_alone(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(answers_in_order=True)
    one.ask("a", "crash", "b", "c")
    wait_until(one.is_through)
    assert one.answers == {"a": "done", "crash": "crashed", "b": "done", "c": "done"}
    # A signal that says whose fault it was is proof: nothing at all is asked twice.
    assert one.asked() == ["a", "crash", "b", "c"]
    assert one.reasons["crash"] == "decoding it crashes the decoder (SIGSEGV)"


@pytest.mark.parametrize("in_order", [False, True])
def test_a_child_killed_by_somebody_costs_no_request_its_answer(
    asker: Callable[..., Asker], wait_until: WaitUntil, *, in_order: bool
) -> None:
    one = asker(answers_in_order=in_order)
    one.ask("killed once")
    wait_until(one.is_through)
    assert one.answers == {"killed once": "done"}


def test_one_whose_child_is_killed_every_time_has_failed_and_is_not_refused(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker()
    one.ask("killed")
    wait_until(one.is_through)
    assert one.answers == {"killed": "failed"}
    assert one.asked() == ["killed", "killed"]


def test_a_child_that_hangs_is_ended_and_blames_only_the_one_it_hung_on(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(answer_within_s=60.0)
    one.ask("a", "hang", "b")
    for times in (1, 2):
        wait_until(functools.partial(one.has_been_asked, "hang", times))
        assert one.warm.is_fresh(one.now)
        one.step(61.0)  # time is up: it is killed, and what it held is asked again
        wait_until(one.has_no_child)  # on a busy machine the kernel takes a moment for it
        one.step(2.0)
    wait_until(one.is_through)
    assert one.answers == {"a": "done", "hang": "crashed", "b": "done"}
    assert "did not answer within 60 s" in one.reasons["hang"]


def test_a_stopped_child_is_ended_and_its_requests_are_answered_by_the_next(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(answer_within_s=60.0)
    one.ask("a")
    wait_until(one.is_through)
    assert one.warm.worker is not None
    os.kill(one.warm.worker.pid, signal.SIGSTOP)
    one.ask("b", "c")
    one.step()
    assert not one.warm.is_fresh(one.now + 91.0)
    one.step(61.0)
    wait_until(one.is_through)
    assert one.answers == {"a": "done", "b": "done", "c": "done"}


def test_a_child_that_cannot_start_is_tried_ever_more_rarely_and_says_why_in_its_own_words(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(
        """
        import sys
        from pixd.system.children import child, task
        from pixd.system.children.spec import InspectSpec
        error = {"kind": "model", "message": "the model is damaged", "advice": "`pixd rollback`"}
        task.write_result(child.read_spec(sys.argv[1:], InspectSpec), state="failed", error=error)
        sys.exit(1)
        """
    )
    one.ask("a")
    waits: list[float] = []
    while len(waits) < 9:
        one.step()
        wait_until(one.has_no_child)
        waits.append(one.warm.next_at(one.now) - one.now)
        one.step(waits[-1])
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256], abs=1.0)
    assert one.warm.trouble == "the model is damaged: `pixd rollback`"
    assert one.warm.is_stuck
    assert one.warm.load == 1
    assert len(one.notes) == 1  # said once


def test_a_child_that_is_warm_before_the_first_request_ends_when_idle(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker(idle_s=60.0)
    one.warm.warm()
    assert one.warm.next_at(one.now) <= one.now

    def is_ready() -> bool:
        one.step()
        return one.warm.ready is not None

    wait_until(is_ready)
    assert not one.warm.load
    child = one.warm.worker
    assert child is not None
    one.ask("a")
    wait_until(one.is_through)
    assert one.answers == {"a": "done"}
    assert one.warm.worker is child  # the request did not start another
    one.step(61.0)
    assert one.has_no_child()
    one.step(61.0)
    assert one.has_no_child()  # it is not made warm again


def test_a_child_made_warm_in_vain_is_tried_three_times_and_then_waits_for_a_request(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker("import sys; sys.exit(1)")
    one.warm.warm()
    for _ in range(warm_worker.STUCK_AFTER):
        one.step()
        wait_until(one.has_no_child)
        one.step(5.0)
    assert one.warm.is_stuck
    assert one.warm.worker is None
    assert one.warm.next_at(one.now) > one.now + 60
    (one.seen.parent / "modules" / "answers.py").write_text(ANSWERS)
    one.ask("a")
    wait_until(one.is_through)
    assert one.answers == {"a": "done"}
    assert not one.warm.trouble


def test_a_child_that_gets_warm_after_a_failure_has_no_trouble_left(
    asker: Callable[..., Asker], wait_until: WaitUntil
) -> None:
    one = asker("import sys; sys.exit(1)")
    one.warm.warm()
    one.step()
    wait_until(one.has_no_child)
    assert one.warm.trouble
    (one.seen.parent / "modules" / "answers.py").write_text(ANSWERS)
    one.step(5.0)

    def is_ready() -> bool:
        one.step()
        return one.warm.ready is not None

    wait_until(is_ready)
    assert not one.warm.trouble
