"""What `pixd translate` hands in is recorded once, whatever the service does meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.store.opening import open_store
from pixd.store.runs import Runs
from pixd.store.states import RunState
from pixd.store.store import Store
from pixd.translation import inbox


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def hand_in(store: Store, tmp_path: Path, name: str = "a.png") -> None:
    for role in ("input", "output"):
        (tmp_path / role).write_text(f"{role} of {name}")
    note: dict[str, Any] = {
        "pipeline": "p", "key": f"key of {name}", "recipe": {"fit": "pad"}, "name": name,
        "model": "sha256:00", "model_number": 1, "ms": {},
    }  # fmt: skip
    inbox.hand_in(store.folder, note, {role: tmp_path / role for role in ("input", "output")})


def begin(runs: Runs, name: str) -> int:
    return runs.queue(
        "p",
        "translate",
        f"key of {name}",
        change_id="c",
        recipe=runs.add_recipe("translate", {"fit": "pad"}),
        inputs=[],
        reason="a new file",
        state=RunState.RUNNING,
    )


def recorded(store: Store) -> list[tuple[str, str]]:
    return [tuple(row) for row in store.db.conn.execute("SELECT key, state FROM run ORDER BY id")]


@pytest.mark.parametrize("ends", [RunState.SUCCEEDED, RunState.FAILED])
def test_an_entry_waits_while_the_service_makes_the_same(
    store: Store, tmp_path: Path, ends: RunState
) -> None:
    run = begin(store.runs, "a.png")
    hand_in(store, tmp_path, "a.png")
    hand_in(store, tmp_path, "b.png")
    inbox.take_in(store)
    under_way = [("key of a.png", "running")]
    assert recorded(store) == [*under_way, ("key of b.png", "succeeded")]
    assert len(list((store.folder / inbox.INBOX).iterdir())) == 1

    store.runs.move(run, (RunState.RUNNING,), ends)
    inbox.take_in(store)
    assert not list((store.folder / inbox.INBOX).iterdir())
    again = [("key of a.png", "succeeded")] if ends is RunState.FAILED else []
    done = [("key of a.png", str(ends)), ("key of b.png", "succeeded")]
    assert recorded(store) == [*done, *again]


def test_what_a_killed_command_left_is_removed_after_a_while(store: Store) -> None:
    building, left = (store.folder / inbox.INBOX / name for name in (".1", ".2"))
    for folder in (building, left):
        folder.mkdir(parents=True)
        (folder / "input").write_text("x")
    long_ago = left.stat().st_mtime - 2 * inbox.LEFT_AFTER_S
    os.utime(left, (long_ago, long_ago))
    inbox.take_in(store)
    assert building.exists()
    assert not left.exists()
