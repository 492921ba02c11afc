"""A large training folder: looked at in linear time, and compared by the inspector.

Costs are counted in steps of SQLite's virtual machine and in requests, which no load changes;
benchmarks/growth.py measures seconds.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pixd.config.load import load
from pixd.folders.intake import Intake
from pixd.store.opening import open_store
from pixd.store.queries.training_set import kin_of
from pixd.system.children.spawner import LocalSpawner
from pixd.system.children.warm_worker import Answer, WarmWorker
from pixd.training.dataset import comparing, folder_check
from pixd.training.dataset.array_index import ArrayIndex
from pixd.training.dataset.assessment import assess
from pixd.training.dataset.dataset import Dataset
from pixd.training.dataset.finding import Setting
from pixd.training.dataset.inspector import inspector
from pixd.training.dataset.looking import Progress
from tests.support.commits import record
from tests.support.training_folder import CONFIG, jpeg, pair, png

AT_ONCE = 8  # answers between two steps


def measures(digest: str) -> list[dict[str, Any]]:
    """Return what an inspector might measure of a pair with this digest; all differ."""
    rng = np.random.default_rng(int(digest[7:19], 16))
    return [
        {
            "width": 64,
            "height": 64,
            "thumb": base64.b64encode(rng.integers(0, 256, 192, np.uint8).tobytes()).decode(),
            "plain": 0,
            "stats": [100 + 50 * half, *[50] * 8],
            "values": None,
        }
        for half in (0, 1)
    ]


class FakeInspector:
    """Answers without looking. It compares as the real one does, when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.looked_at = 0
        self.compared = 0
        self.may_compare = True
        self.fails = 0  # so many comparisons
        self.step_made = None

    def submit(self, token: Any, request: dict[str, Any]) -> None:
        self.asked.append((token, request))

    def collect(self) -> Iterator[Answer]:
        for _ in range(min(AT_ONCE, len(self.asked))):
            token, request = self.asked[0]
            if "compare" in request and not self.may_compare:
                return
            del self.asked[0]
            yield Answer(
                token, self._compare(request) if "compare" in request else self._look(token)
            )

    def _look(self, token: Any) -> dict[str, Any]:
        self.looked_at += 1
        return {"event": "done", "width": 128, "height": 64, "parts": measures(token[2])}

    def _compare(self, request: dict[str, Any]) -> dict[str, Any]:
        self.compared += 1
        if self.fails:
            self.fails -= 1
            return {"event": "crashed", "reason": "it was killed"}
        with Path(request["compare"]).open() as lines:
            found = assess(comparing.read(lines), ArrayIndex())
        comparing.write_answer(Path(request["answer"]), found)
        return {"event": "done"}


class Followed:
    """A training folder whose dataset is followed by hand."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIG)
        self.settings = load(folder / "config.yaml")
        self.store = open_store(self.settings.store)
        (self.pipeline,) = self.settings.pipelines
        self.repo = self.store.history.repo_id("p", "training")
        self.intake = SimpleNamespace(repo_id=self.repo, revision=0)
        self.inspector = FakeInspector()
        self.now = 0.0
        self.begin()

    def begin(self) -> None:
        self.dataset = Dataset(
            self.store,
            self.pipeline,
            cast("Intake", self.intake),
            cast("WarmWorker", self.inspector),
        )

    def add(self, first: int, count: int) -> None:
        files = {f"{n:05d}.png": b"%d" % n for n in range(first, first + count)}
        record(self.store, self.repo, files, [])
        self.intake.revision += 1

    def step(self) -> bool:
        """Take a step, and hear a few answers; tell whether the set is planned."""
        self.now += 1.0
        self.dataset.step(self.now)
        for answer in self.inspector.collect():
            self.dataset.hear(answer, self.now)
        return self.dataset.plan is not None

    def plan(self) -> None:
        for _ in range(10_000):
            if self.step():
                return
        raise AssertionError("it is never planned")

    def cost(self, work: Callable[[], None]) -> int:
        """Return how many hundred steps of SQLite's machine something takes."""
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        self.store.db.conn.set_progress_handler(tick, 100)
        work()
        self.store.db.conn.set_progress_handler(None, 0)
        return count


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Callable[[], Followed]]:
    made: list[Followed] = []

    def make() -> Followed:
        made.append(Followed(tmp_path / str(len(made))))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_looking_costs_the_same_for_each_picture_however_many_there_are(
    followed: Callable[[], Followed],
) -> None:
    costs = {}
    for count in (210, 630):
        folder = followed()
        folder.add(0, count)
        costs[count] = folder.cost(folder.plan) / count
        assert folder.inspector.looked_at == count
        assert folder.inspector.compared == 1
        assert len(folder.dataset.split.used) == count
    assert costs[630] <= 1.3 * costs[210]


def test_after_a_restart_nothing_is_looked_at_or_compared_again(
    followed: Callable[[], Followed],
) -> None:
    folder = followed()
    folder.add(0, 210)
    folder.plan()
    before, key = folder.dataset.split, folder.dataset.key_inputs
    folder.begin()
    assert folder.step()  # at once
    assert (folder.dataset.split, folder.dataset.key_inputs) == (before, key)
    assert folder.inspector.looked_at == 210
    assert folder.inspector.compared == 1
    assert list(folder.store.scratch.iterdir()) == []  # no question is left behind


def test_how_far_it_is_can_be_asked_at_any_time(followed: Callable[[], Followed]) -> None:
    folder = followed()
    folder.add(0, 210)
    folder.inspector.may_compare = False
    seen: list[Progress] = []
    while not seen or seen[-1].phase == "images":
        assert not folder.step()
        if far := folder.dataset.progress(folder.now):  # none between the last answer and a step
            seen.append(far)
    assert [one.done for one in seen[:3]] == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE]
    assert {one.all for one in seen} == {210}
    assert seen[10].eta_seconds is not None
    folder.inspector.may_compare = True
    folder.plan()
    assert folder.dataset.progress(folder.now) is None


def test_a_commit_meanwhile_waits_for_the_comparison_and_then_only_new_pairs_are_compared(
    followed: Callable[[], Followed],
) -> None:
    folder = followed()
    folder.add(0, 210)
    folder.inspector.may_compare = False
    while not any("compare" in request for _, request in folder.inspector.asked):
        assert not folder.step()
    for number in range(5):  # files trickle in
        folder.add(210 + number, 1)
        assert not folder.step()
    assert sum("compare" in request for _, request in folder.inspector.asked) == 1
    folder.inspector.may_compare = True
    folder.plan()
    assert folder.inspector.compared == 2
    assert len(folder.dataset.split.used) == 215
    since = [row.since for row in kin_of(folder.store.db.conn, "p", "side-by-side")]
    assert (since.count(1), since.count(6)) == (210, 5)
    assert folder.inspector.looked_at == 215


def test_a_comparison_that_fails_is_reported_once_and_tried_again(
    followed: Callable[[], Followed],
) -> None:
    folder = followed()
    folder.add(0, 210)
    folder.inspector.fails = 2
    while not folder.dataset.trouble:
        assert not folder.step()
    assert "it was killed" in folder.dataset.trouble
    folder.plan()
    assert folder.dataset.trouble == ""
    assert folder.inspector.compared == 3
    events = folder.store.db.execute("SELECT message FROM event WHERE kind = 'inspect'").fetchall()
    assert len(events) == 1


def test_the_inspector_finds_what_is_found_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real one, and pictures with every kind of finding."""
    files = {
        **{f"{n:03d}": png(pair(n)) for n in range(14)},
        "again": jpeg(pair(3), 70), "copy": png(pair(4)), "swapped": png(pair(20, swapped=True)),
        "notes": b"no picture at all",
    }  # fmt: skip
    (tmp_path / "training").mkdir()
    for name, data in files.items():
        (tmp_path / "training" / name).write_bytes(data)
    kept = []
    for few in (comparing.FEW, 0):
        monkeypatch.setattr(comparing, "FEW", few)
        folder = Followed(tmp_path / str(few))
        worker = inspector(
            folder.store.scratch / "inspect",
            tmp_path / "log",
            spawner=LocalSpawner(),
            idle_s=60,
            answer_within_s=60,
        )
        folder.inspector = worker  # type: ignore[assignment]
        folder.begin()
        record(folder.store, folder.repo, files, [])
        ends_at = time.monotonic() + 120
        while folder.dataset.plan is None:
            assert time.monotonic() < ends_at, worker.trouble
            worker.step(time.monotonic())
            folder.now = time.monotonic() - 1.0
            folder.step()
        worker.stop()
        (body,) = folder.store.db.execute("SELECT body FROM care").fetchone()
        rows = sorted(kin_of(folder.store.db.conn, "p", "side-by-side"))
        checked = folder_check.check(
            tmp_path / "training", Setting.of(folder.pipeline), LocalSpawner()
        )
        kept.append((rows, json.loads(body), checked))
        folder.store.close()
    assert kept[0] == kept[1]
    assert {one["kind"] for one in kept[0][1]["findings"]} >= {"alike", "copy", "swapped"}
