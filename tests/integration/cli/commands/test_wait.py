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
    read_live,
    set_part,
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


def test_a_change_is_through_when_the_service_is_idle_after_it_looked_again(world: World) -> None:
    with world.running(trained) as store:
        world.add_inputs(store, 3, FileState.QUEUED)  # they wait for a model that nobody ordered
        live = read_live(world.settings.store)
        live["at"] = rfc3339(NOW + 1)
        seen_again(live)
        write_live(world.settings.store, live)
        assert main.main(["wait", CHANGE, "--timeout", "5"]) == 0
