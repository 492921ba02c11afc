"""An output folder that hangs: what was cut off is settled by looking, and nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixd.store.file_rows import DueInput
from pixd.store.opening import open_store
from pixd.store.states import FileState, RunState
from pixd.store.transaction import is_in_transaction
from pixd.system.children import folder_calls
from pixd.translation.intents import Made
from pixd.translation.publishing import Publisher
from tests.support.commits import record
from tests.support.hanging import hanging, on_network

WaitUntil = Callable[..., None]
MODEL = "sha256:" + "a" * 64


class Publishing:
    """A store with one input and its translation, and an output folder on the network."""

    def __init__(self, path: Path) -> None:
        self.folder = path / "output"
        self.folder.mkdir()
        self.store = store = open_store(path / "store")
        self.repo = store.history.repo_id("p", "input")
        record(store, self.repo, {"a.png": b"an input"}, [])
        store.working.set_state(self.repo, ["a.png"], FileState.QUEUED)
        self.image = store.objects.add(b"a translation")
        store.objects.flush()
        self.recipe = store.runs.add_recipe("translate", {})
        with store.transaction():
            store.history.add_objects([self.image], "image/png")
            self.run = store.runs.queue(
                "p", "translate", "key", change_id="c1", recipe=self.recipe, inputs=[], reason="",
                state=RunState.PUBLISHING,
            )  # fmt: skip
        self.publisher = Publisher(store, "p", self.repo, self.folder)

    def publish(self) -> str:
        found = self.store.working.find(self.repo, "a.png")
        assert found is not None
        assert found[1] is not None
        made = Made(self.run, self.image.digest, (DueInput("a.png", found[1], 0, "c1"),))
        return self.publisher.publish([made], model_digest=MODEL, recipes=[self.recipe])

    def state(self) -> str:
        found = self.store.working.find(self.repo, "a.png")
        assert found is not None
        return str(found[0])

    def outputs(self) -> list[tuple[str, str]]:
        rows = self.store.db.execute("SELECT path, state FROM output")
        return [(path, state) for path, state in rows]


@pytest.fixture
def publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publishing]:
    on_network(monkeypatch, tmp_path / "output")
    monkeypatch.setattr(folder_calls, "PATIENCE_S", 30.0)
    publishing = Publishing(tmp_path)
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
    assert publishing.publish() == ""
    assert (publishing.folder / "a.png").read_bytes() == b"a translation"
    assert publishing.outputs() == [("a.png", "current")]
    assert publishing.state() == FileState.TRANSLATED
    assert list(publishing.folder.glob(".pixd-*")) == []


def test_an_output_folder_on_the_network_is_published_into(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(publishing, monkeypatch)


def test_a_folder_that_hangs_before_the_look_gets_nothing_and_its_input_stays_due(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    with hanging(publishing.publisher.calls):
        assert "does not answer" in publishing.publish()
        assert not is_in_transaction(publishing.store.db)
        assert publishing.state() == FileState.QUEUED
        assert publishing.outputs() == []
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
        assert "does not answer" in publishing.publish()
    assert len(list(publishing.store.outputs.intents())) == 1
    stopped[0].__exit__(None, None, None)
    wait_until(answered(publishing))
    assert (publishing.folder / "a.png").exists()  # the call went on
    published(publishing, monkeypatch)
    assert list(publishing.store.outputs.intents()) == []
    state = publishing.store.db.execute("SELECT state FROM run").fetchone()[0]
    assert state == RunState.SUCCEEDED
