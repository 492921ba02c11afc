"""An output folder that hangs: what was cut off is settled by looking, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.store.states import FileState, RunState
from pixd.store.transaction import is_in_transaction
from pixd.system.children import folder_calls
from pixd.translation.intents import Made
from tests.support.hanging import hanging, on_network
from tests.support.publishing import Publishing

WaitUntil = Callable[..., None]
NAME = "a.png"


@pytest.fixture
def publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publishing]:
    on_network(monkeypatch, tmp_path / "output")
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    publishing = Publishing(tmp_path, [NAME])
    assert publishing.publisher.answers()
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 0.05)
    monkeypatch.setattr(folder_calls, "HUNG_S", 0.2)
    yield publishing
    publishing.publisher.calls.close()
    publishing.store.close()


def answered(publishing: Publishing) -> Callable[[], bool]:
    return lambda: not publishing.publisher.is_waiting()


def published(publishing: Publishing, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(folder_calls, "PATIENCE_S", 30.0)
    patch.setattr(folder_calls, "HUNG_S", 30.0)
    assert publishing.publish([NAME]) == ""
    assert (publishing.folder / NAME).read_bytes() == b"translated a.png"
    assert publishing.outputs() == {NAME: "current"}
    assert publishing.states()[NAME][0] == FileState.TRANSLATED
    assert list(publishing.folder.glob(".pixd-*")) == []


def test_an_output_folder_on_the_network_is_published_into(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(publishing, monkeypatch)


def test_a_folder_that_hangs_before_the_look_gets_nothing_and_its_input_stays_due(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    with hanging(publishing.publisher.calls):
        assert "does not answer" in publishing.publish([NAME])
        assert not is_in_transaction(publishing.store.db)
        assert publishing.states()[NAME][0] == FileState.QUEUED
        assert publishing.outputs() == {}
    wait_until(answered(publishing))
    published(publishing, monkeypatch)


def test_a_folder_that_hangs_while_it_is_published_into_is_looked_at_afterwards(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    look_ahead, stopped = publishing.publisher.look_ahead, []

    def look_and_hang(made: list[Made]) -> None:
        with monkeypatch.context() as calm:  # on a busy machine an answer takes its time
            calm.setattr(folder_calls, "PATIENCE_S", 30.0)
            calm.setattr(folder_calls, "HUNG_S", 30.0)
            look_ahead(made)
        stopped.append(hanging(publishing.publisher.calls))
        stopped[0].__enter__()

    with monkeypatch.context() as patch:
        patch.setattr(publishing.publisher, "look_ahead", look_and_hang)
        assert "does not answer" in publishing.publish([NAME])
    assert len(list(publishing.store.outputs.intents())) == 1
    stopped[0].__exit__(None, None, None)
    wait_until(answered(publishing))
    assert (publishing.folder / NAME).exists()  # the call went on
    published(publishing, monkeypatch)
    assert list(publishing.store.outputs.intents()) == []
    state = publishing.store.db.execute("SELECT state FROM run").fetchone()[0]
    assert state == RunState.SUCCEEDED
