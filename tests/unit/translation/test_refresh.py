"""Under early models: what has no output is made at once, and what has one little by little."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pixd.folders import scan
from pixd.folders.recorder import Recorder
from pixd.folders.settle import Ready
from pixd.store.states import FileState
from pixd.translation import refresh, stage
from tests.support.store_world import World

INPUTS = 8


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return a training that runs, and inputs with an output of its first early model."""
    for name in ("AT_ONCE", "MOST_AT_ONCE"):  # so that a few inputs are many batches
        monkeypatch.setattr(stage, name, 2)
    one = World(tmp_path)
    for number in range(3):
        (one.watched("p", "training") / f"{number}.png").write_bytes(b"pair %d" % number)
    one.record("p", "training")
    one.start_training("p", 0)
    for number in range(INPUTS):
        drop(one, f"{number}.png")
    one.give_early("p", 1, step=10, l1=50.0, ssim=0.2)
    settle(one, trains=True)
    assert made_by(one) == dict.fromkeys(names(), 1)
    yield one
    one.close()


def names() -> list[str]:
    return [f"{number}.png" for number in range(INPUTS)]


def drop(world: World, name: str) -> None:
    """Add an input; those with higher numbers count as written later."""
    root, repo = world.watched("p", "input"), world.repo("p", "input")
    (root / name).write_bytes(b"input " + name.encode())
    stamp = scan.scan(root).files[name]
    world.store.working.mark_settling(repo, {name: stamp})
    recorder = Recorder(world.store, "p", "input", world.store.working.load(repo))
    recorder.read(root, Ready(name, stamp, early=False), is_racy=False)
    recorder.commit({})
    world.store.db.conn.execute(
        "UPDATE file SET ctime_ns = CAST(path AS INTEGER) WHERE repo_id = ?", (repo,)
    )


def made_by(world: World) -> dict[str, int]:
    """Return the number of the model that made the current output of each input."""
    rows = world.store.db.conn.execute(
        "SELECT input_path, number FROM output JOIN model ON model.digest = model_digest"
        " WHERE output.state = 'current' ORDER BY input_path"
    )
    return dict(rows.fetchall())


def settle(world: World, *, trains: bool, steps: int = 2 * INPUTS, step_s: float = 1.0) -> None:
    for _ in range(steps):
        world.now += step_s
        world.translations["p"].step(world.now, trains=trains)


def test_the_next_early_model_makes_nothing_again_at_once(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    counts = world.store.working.counts(world.repo("p", "input"))
    assert counts == {FileState.TRANSLATED: INPUTS}


def test_inputs_are_made_again_newest_first_for_a_tenth_of_the_time(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    order: list[str] = []
    began, busy_steps = world.now, 0
    while len(order) < INPUTS:
        settle(world, trains=True, steps=1)
        busy_steps += world.translations["p"].is_busy
        again = [name for name, number in made_by(world).items() if number == 2]
        order += sorted(set(again) - set(order), reverse=True)
    assert order == sorted(names(), reverse=True)
    assert busy_steps / (world.now - began) < 0.15


def test_while_nothing_trains_they_are_made_again_without_a_pause(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    settle(world, trains=False, steps=INPUTS + 2)
    assert made_by(world) == dict.fromkeys(names(), 2)


def test_what_is_kept_back_does_not_keep_the_service_awake(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    translation = world.translations["p"]
    world.now += 1.0
    translation.step(world.now, may_start=False, trains=True)  # as in a pause
    assert len(translation._refresh) == INPUTS
    assert translation._refresh.next_at(world.now) >= world.now + refresh.LOOK_AGAIN_S


def test_the_next_model_leaves_the_child_of_the_output_folder_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    calls = world.translations["p"].publisher.calls
    monkeypatch.setattr(calls, "close", lambda: closed.append("closed"))
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    settle(world, trains=True)
    assert closed == []
    world.translations["p"].end("the configuration changed")
    assert closed == ["closed"]


def test_a_new_input_does_not_wait(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    settle(world, trains=True, steps=3)
    drop(world, "9.png")
    settle(world, trains=True, steps=4)
    assert made_by(world)["9.png"] == 2


def test_one_input_is_made_again_at_most_twice_an_hour(world: World) -> None:
    for number, step in ((2, 20), (3, 30)):
        world.give_early("p", number, step=step, l1=49.0 - number, ssim=0.2)
        settle(world, trains=False)
        assert made_by(world) == dict.fromkeys(names(), number)
    world.give_early("p", 4, step=40, l1=40.0, ssim=0.2)
    settle(world, trains=False)
    assert made_by(world) == dict.fromkeys(names(), 3)
    published(world, ago_s=2 * refresh.HOUR_S)
    world.now += refresh.HOUR_S
    settle(world, trains=False)
    assert made_by(world) == dict.fromkeys(names(), 4)


def published(world: World, *, ago_s: float, names: str = "%") -> None:
    """Let outputs have been published so long ago."""
    then = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    world.store.db.conn.execute(
        "UPDATE output SET published_at = ? WHERE input_path LIKE ?", (then, names)
    )


def test_an_input_whose_hour_is_over_does_not_wait_for_those_before_it(world: World) -> None:
    for number, step in ((2, 20), (3, 30)):
        world.give_early("p", number, step=step, l1=49.0 - number, ssim=0.2)
        settle(world, trains=False)
    published(world, ago_s=refresh.HOUR_S - 600, names="3.png")
    world.give_early("p", 4, step=40, l1=40.0, ssim=0.2)
    settle(world, trains=False)
    published(world, ago_s=2 * refresh.HOUR_S, names="3.png")
    world.now += 600
    settle(world, trains=False)
    assert made_by(world) == {**dict.fromkeys(names(), 3), "3.png": 4}


def test_a_clock_that_went_back_delays_them_by_an_hour_at_most(world: World) -> None:
    for number, step in ((2, 20), (3, 30)):
        world.give_early("p", number, step=step, l1=49.0 - number, ssim=0.2)
        settle(world, trains=False)
    published(world, ago_s=-24 * refresh.HOUR_S)
    world.give_early("p", 4, step=40, l1=40.0, ssim=0.2)
    settle(world, trains=False)
    assert world.translations["p"]._refresh.next_at(world.now) <= world.now + refresh.HOUR_S
    published(world, ago_s=2 * refresh.HOUR_S)
    world.now += refresh.HOUR_S
    settle(world, trains=False)
    assert made_by(world) == dict.fromkeys(names(), 4)


def test_an_early_model_that_a_person_asks_for_makes_all_at_once(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    world.perform("rollback", pipeline="p", number=1)
    world.perform("promote", pipeline="p", number=2)
    counts = world.store.working.counts(world.repo("p", "input"))
    assert counts == {FileState.QUEUED: INPUTS}


def test_the_trainings_own_model_makes_all(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    world.finish_training("p", 0)
    counts = world.store.working.counts(world.repo("p", "input"))
    assert counts == {FileState.QUEUED: INPUTS}
    settle(world, trains=False)
    assert made_by(world) == dict.fromkeys(names(), 3)


def test_after_a_restart_they_are_made_again_as_before(world: World) -> None:
    world.give_early("p", 2, step=30, l1=49.0, ssim=0.2)
    world.restart()
    settle(world, trains=False)
    assert made_by(world) == dict.fromkeys(names(), 2)
    assert world.store.models.numbered("p", 2) is not None
