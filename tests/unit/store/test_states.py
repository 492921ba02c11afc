"""The states that pixd knows are those that the schema admits, and no other is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from pixd.store.events import Level
from pixd.store.known_file import KnownFile
from pixd.store.opening import open_store
from pixd.store.outputs import Output
from pixd.store.queries import status
from pixd.store.runs import Run
from pixd.store.states import BytesState, FileState, OutputState, RunState
from pixd.system.errors import CannotTellError, StoreError

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def admitted(store: Store, table: str, column: str) -> set[str]:
    """Return the values that the CHECK of a column lists."""
    sql = store.db.conn.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()[0]
    listed = re.search(rf"{column} TEXT NOT NULL CHECK \({column} IN\s*\(([^)]*)\)\)", sql)
    assert listed is not None
    return set(re.findall(r"'(\w+)'", listed[1]))


@pytest.mark.parametrize(
    ("table", "states"),
    [("file", FileState), ("run", RunState), ("output", OutputState), ("object_bytes", BytesState)],
)
def test_the_states_are_those_that_the_schema_admits(
    store: Store, table: str, states: type[enum.StrEnum]
) -> None:
    assert set(states) == admitted(store, table, "state")


def test_the_levels_of_events_are_those_that_the_schema_admits(store: Store) -> None:
    assert set(get_args(Level)) == admitted(store, "event", "level")


def test_a_row_in_an_unknown_state_is_refused_with_what_is_known() -> None:
    with pytest.raises(StoreError, match="file state 'eaten', which this pixd does not know") as no:
        KnownFile.of_row(("eaten", None, 0, 0, 0, 0, 0, 0))
    assert "settling, recorded, queued" in no.value.message
    assert "pixd verify" in no.value.advice
    with pytest.raises(StoreError, match="run state 'asleep'"):
        Run.of_row((1, "p", "train", "key", "change", "asleep", "", 1))
    with pytest.raises(StoreError, match="output state None"):
        Output.of_row((1, "p", "a", "a", "d", "m", "r", 1, "d", None, "change"))


def test_a_row_in_a_known_state_is_read() -> None:
    file = KnownFile.of_row(("queued", "sha256:" + "1f" * 32, 1, 2, 3, 4, 5, 1))
    assert file.state is FileState.QUEUED
    assert file.is_racy is True
    run = Run.of_row((1, "p", "train", "key", "change", "lost", "why", 2))
    assert (run.state, run.reason, run.attempt) == (RunState.LOST, "why", 2)
    output = Output.of_row((1, "p", "a", "b", "d", "m", "r", 7, "e", "edited", "change"))
    assert (output.state, output.run_id, output.change_id) == (OutputState.EDITED, 7, "change")


def test_status_refuses_a_store_with_an_unknown_state(store: Store) -> None:
    repo = store.history.repo_id("p", "input")
    store.db.conn.execute("INSERT INTO file_total VALUES (?, 'eaten', 3)", (repo,))

    def ask() -> None:
        with status.open_snapshot(store.folder) as reader:
            assert reader is not None
            status.repo(reader, "p", "input")

    with pytest.raises(CannotTellError, match="file state 'eaten'"):
        ask()
