"""Outputs that an earlier pixd made stay, and are published again with the bytes that they had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.answers import plan
from pixd.store import connection, revisions
from pixd.store.edges import Edge
from pixd.store.file_rows import DueInput
from pixd.store.revisions import ARITHMETIC, RESULTS, Revision
from pixd.store.runs import run_key
from pixd.store.states import FileState, RunState
from pixd.translation import due, recipe
from tests.support.commits import record
from tests.support.trained_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    one = Folder(tmp_path)
    one.train(live=True)
    yield one
    one.store.close()


def translated(folder: Folder, settings: dict[str, object], revision: int) -> str:
    """Write an input and its output; return the digest of the recipe."""
    store, live = folder.store, folder.store.models.live("p")
    assert live is not None
    repo = store.history.repo_id("p", "input")
    record(store, repo, {"x.png": b"x"}, [])
    digest = store.working.head(repo)["x.png"].digest
    under = store.runs.add_recipe("translate", settings)
    made = store.objects.add(b"png")
    store.objects.flush()
    with store.transaction():
        store.history.add_objects([made], "image/png")
        run = store.runs.queue(
            "p", "translate", run_key("translate", revision, under, [digest, live.digest]),
            change_id="c", recipe=under, reason="", state=RunState.RUNNING,
            inputs=[Edge("image", "x.png", digest), Edge("model", "model@1", live.digest)],
        )  # fmt: skip
        store.runs.add_outputs(run, [Edge("image", "image.png", made.digest)])
        store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
        row = store.outputs.intend(
            "p", "x.png", input_path="x.png", input_digest=digest, model_digest=live.digest,
            recipe=under, run_id=run, digest=made.digest, change_id="c",
        )  # fmt: skip
        store.outputs.settle_intent(row)
        store.working.set_state(repo, ["x.png"], FileState.TRANSLATED)
    return under


def present(folder: Folder) -> dict[str, object]:
    return dict(due.recipe_under(folder.pipeline, folder.settings.precision, folder.recipe))


def stale(folder: Folder) -> int:
    reader = connection.open_reader(folder.store.folder)
    found = plan.of_pipeline(reader, folder.settings, folder.pipeline)["translate"]["due"]
    reader.close()
    return int(found)


@pytest.mark.parametrize("revision", [one.number for one in recipe.REVISIONS])
def test_an_output_of_an_earlier_revision_is_current_and_nothing_is_offered(
    folder: Folder, revision: int
) -> None:
    translated(folder, present(folder), revision)
    assert stale(folder) == 0
    assert folder.offered() == []
    assert folder.ask("retrain", outputs=True)["outputs"] == 0


def test_after_other_results_outputs_stay_and_are_made_anew_when_asked(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = recipe.TRANSLATE_REVISION
    translated(folder, present(folder), newest)
    table = (*recipe.REVISIONS, Revision(newest + 1, RESULTS, "0.2", "fits pictures otherwise"))
    monkeypatch.setattr(recipe, "REVISIONS", table)
    monkeypatch.setattr(due, "REVISIONS", table)
    assert stale(folder) == 0
    (offer,) = folder.offered()
    assert offer == (
        "pixd 0.2 fits pictures otherwise;"
        " `pixd retrain --outputs` makes the older outputs anew by the live model"
    )
    assert folder.ask("retrain", outputs=True)["outputs"] == 1
    repo = folder.store.history.repo_id("p", "input")
    assert folder.store.working.counts(repo)[FileState.QUEUED] == 1


def test_other_settings_are_due_as_ever(folder: Folder) -> None:
    translated(folder, {**present(folder), "output_size": "source"}, recipe.TRANSLATE_REVISION)
    assert stale(folder) == 1


def test_a_deleted_output_of_an_earlier_revision_comes_back_with_its_bytes(folder: Folder) -> None:
    under = translated(folder, present(folder), 2)
    live = folder.store.models.live("p")
    assert live is not None
    repo = folder.store.history.repo_id("p", "input")
    digest = folder.store.working.head(repo)["x.png"].digest
    queue = due.Queue(folder.store, folder.pipeline, repo)
    inputs = [DueInput("x.png", digest, 0, "c")]
    work = due.sort_out(inputs, queue.known(live.digest, under, inputs, ()))
    assert [made.inputs for made in work.again] == [tuple(inputs)]
    assert not work.new


def test_a_revision_of_results_is_another_key_and_one_of_arithmetic_the_same_work() -> None:
    table = (
        Revision(1, RESULTS, "0.1", "translates"),
        Revision(2, RESULTS, "0.2", "fits otherwise"),
        Revision(3, ARITHMETIC, "0.3", "adds in another order"),
        Revision(4, RESULTS, "0.4", "resizes otherwise"),
    )
    found = {one.revision: one.otherwise for one in revisions.keys("translate", table, "r", ["i"])}
    both = "pixd 0.2 fits otherwise, and pixd 0.4 resizes otherwise"
    later = "pixd 0.4 resizes otherwise"
    assert found == {4: "", 3: later, 2: later, 1: both}
