"""`pixd wait` believes no heartbeat that is older than the question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cli import main
from pixd.store.states import FileState
from pixd.system.clock import rfc3339
from tests.support.status_states import (
    NOW,
    Live,
    World,
    filled_world,
    on_hold,
    paused,
    read_live,
    set_part,
    store_of,
    write_live,
)  # fmt: skip

CHANGE = "c1"  # of all that World.fill records


def trained(live: Live) -> None:
    """Say that the training folder's commit was looked at."""
    set_part(live, "train", commit=1)


def seen_again(live: Live) -> None:
    """Say that both folders were looked at since."""
    for folder in ("training", "input"):
        set_part(live, folder, last_scan_at=rfc3339(NOW + 1))


def tell_of_a_new_scan(world: World) -> None:
    """Write a heartbeat of after the question, which found nothing to do."""
    live = read_live(world.settings.store)
    live["at"] = rfc3339(NOW + 1)
    seen_again(live)
    write_live(world.settings.store, live)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with filled_world(tmp_path / "facades", monkeypatch) as world:
        yield world


def test_a_change_with_work_left_is_not_through_because_the_service_was_idle_before(
    world: World,
) -> None:
    with world.running(
        trained
    ) as store:  # its heartbeat says idle, and is from before the question
        world.add_inputs(store, 3, FileState.QUEUED)
        assert main.main(["wait", CHANGE, "--timeout", "0.3"]) == 124


def test_a_wait_that_ends_at_a_held_folder_says_the_verdict_and_what_to_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with on_hold(world):
        tell_of_a_new_scan(world)
        assert main.main(["wait", "--timeout", "5"]) == 1
    first, advice, *more = capsys.readouterr().err.splitlines()
    assert first.startswith("pixd: DEGRADED: facades: training on hold: the folder /mnt/nas/tr")
    assert "pixd resume" in advice
    assert more[0].startswith("  also facades: input on hold")


def test_a_wait_that_ends_at_a_pause_says_what_waits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with store_of(world) as store:
        world.add_inputs(store, 3, FileState.QUEUED)
    with paused(world):
        tell_of_a_new_scan(world)
        assert main.main(["wait", "--timeout", "5"]) == 1
    assert capsys.readouterr().err == (
        "pixd: facades is paused: 3 inputs wait; go on: pixd resume -p facades\n"
    )


def test_a_wait_that_ends_well_says_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with world.running():
        tell_of_a_new_scan(world)
        assert main.main(["wait", "--timeout", "5"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_change_is_through_when_the_service_is_idle_after_it_looked_again(world: World) -> None:
    with world.running(trained) as store:
        world.add_inputs(store, 3, FileState.QUEUED)  # they wait for a model that nobody ordered
        tell_of_a_new_scan(world)
        assert main.main(["wait", CHANGE, "--timeout", "5"]) == 0
