"""An error of one output among ten never ends the step of the nine others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixd.images import png_text
from pixd.store.files import WorkingFiles
from pixd.store.outputs import Outputs
from pixd.store.runs import Runs
from pixd.store.states import FileState, RunState
from pixd.store.transaction import is_in_transaction
from pixd.system import durable
from pixd.system.children.folder_calls import FolderCalls
from pixd.system.draft import Draft
from pixd.translation import leftovers, output_files
from tests.support.publishing import BAD, MODEL, NAMES, Publishing

if TYPE_CHECKING:
    from collections.abc import Callable


def failing(publishing: Publishing, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that fails where it is about the bad output."""
    bad = publishing.made[BAD]
    at = publishing.store.objects.path_of(bad.digest)
    of_bad = {BAD, bad.run_id, at, publishing.folder / BAD}

    def is_about(argument: object) -> bool:
        if isinstance(argument, Draft):
            return argument._target.name == BAD  # the folder is an open descriptor
        return isinstance(argument, str | int | Path) and argument in of_bad

    def fails(*args: Any, **kwargs: Any) -> Any:
        if any(map(is_about, (*args, *kwargs.values()))):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return call(*args, **kwargs)

    return fails


def put_aside(publishing: Publishing) -> None:
    """Let an earlier output be there, as after a store came back from a backup."""
    (publishing.folder / BAD).write_bytes(png_text.SIGNATURE)


CALLS = [
    (output_files, "look"),
    (png_text, "read_as_written"),
    (WorkingFiles, "find"),
    (WorkingFiles, "finish"),
    (Outputs, "standing"),
    (Outputs, "intend"),
    (durable, "_copy_from"),
    (Draft, "put"),
]


@pytest.mark.parametrize(("owner", "call"), CALLS, ids=[call for _, call in CALLS])
def test_the_nine_others_are_published_and_the_one_is_tried_again(
    publishing: Publishing, owner: Any, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if call == "read_as_written":
        put_aside(publishing)
    with monkeypatch.context() as patched:
        patched.setattr(owner, call, failing(publishing, getattr(owner, call)))
        assert publishing.publish(NAMES) == ""
    assert not is_in_transaction(publishing.store.db)
    nine = {name: "current" for name in NAMES if name != BAD}
    assert publishing.outputs() == nine
    states = publishing.states()
    state, reason = states.pop(BAD)
    assert state == FileState.QUEUED
    assert BAD in reason
    assert "OverflowError" in reason
    assert {state for state, _ in states.values()} == {FileState.TRANSLATED}
    assert list(publishing.folder.glob(".pixd-*")) == []
    (publishing.folder / BAD).unlink(missing_ok=True)
    assert publishing.publish([BAD]) == ""
    assert publishing.outputs() == nine | {BAD: "current"}
    assert publishing.states()[BAD] == (FileState.TRANSLATED, "")


def test_a_run_that_cannot_be_recorded_as_done_is_told(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Runs, "move", failing(publishing, Runs.move))
        assert publishing.publish(NAMES) == ""
    assert set(publishing.outputs().values()) == {"current"}
    states = publishing.store.db.execute("SELECT state, count(*) FROM run GROUP BY state")
    assert dict(states) == {RunState.SUCCEEDED: 9, RunState.PUBLISHING: 1}
    (told,) = publishing.store.db.execute("SELECT message FROM event WHERE level = 'warning'")
    assert "could not be recorded as done: OverflowError" in told[0]


def test_half_the_rows_of_one_output_are_undone(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing.publish(NAMES)
    publishing.store.working.set_state(publishing.repo, NAMES, FileState.QUEUED)
    (publishing.folder / BAD).write_bytes(b"edited by hand")
    with monkeypatch.context() as patched:
        patched.setattr(WorkingFiles, "finish", failing(publishing, WorkingFiles.finish))
        publishing.publish([BAD])
    assert publishing.outputs()[BAD] == "current"  # not edited, while its input is due
    assert publishing.states()[BAD][0] == FileState.QUEUED


def test_what_was_cut_off_is_settled_for_the_nine_others(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publishing.store.transaction():
        publishing.publisher.intend(
            list(publishing.made.values()), model_digest=MODEL, recipes=[publishing.recipe]
        )
    for name in NAMES:
        (publishing.folder / name).write_bytes(b"translated " + name.encode())
    calls = FolderCalls(publishing.folder)
    with monkeypatch.context() as patched:
        patched.setattr(output_files, "look", failing(publishing, output_files.look))
        leftovers.settle(publishing.store, "p", calls, publishing.folder)
    assert publishing.outputs() == {
        name: "publishing" if name == BAD else "current" for name in NAMES
    }
    leftovers.settle(publishing.store, "p", calls, publishing.folder)
    assert set(publishing.outputs().values()) == {"current"}


def test_a_folder_of_outputs_that_may_not_be_looked_into_stops_no_other(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing.publish(NAMES)
    for name in (BAD, NAMES[2]):
        (publishing.folder / name).unlink()
    exists = Path.exists

    def refused(path: Path) -> bool:
        if path.name == BAD:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", refused)
        assert publishing.lost.look(0.0) == ""
    states = publishing.states()
    assert states[NAMES[2]] == (FileState.QUEUED, "its output was deleted")
    assert states[BAD][0] == FileState.TRANSLATED


def test_a_folder_whose_disk_went_meanwhile_gets_nothing_and_all_is_published_later(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, away = publishing.folder, publishing.folder.with_name("away")
    mounts = {"/", str(folder)}
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounts)
    assert publishing.publisher.why_not() == ""  # and the images are asked for
    folder.rename(away)
    folder.mkdir()  # the mount point, empty
    mounts.remove(str(folder))
    assert f"no disk is mounted at {folder}" in publishing.publish(NAMES)
    assert not list(folder.iterdir())
    assert publishing.outputs() == {}
    assert {state for state, _ in publishing.states().values()} == {FileState.QUEUED}
    folder.rmdir()
    away.rename(folder)
    mounts.add(str(folder))
    assert publishing.publish(NAMES) == ""
    assert sorted(path.name for path in folder.iterdir()) == NAMES


@pytest.mark.parametrize("comes", ["another folder", "nothing"])
def test_a_folder_that_goes_while_it_is_published_to_gets_nothing(
    publishing: Publishing, comes: str
) -> None:
    folder, away = publishing.folder, publishing.folder.with_name("away")
    made = [publishing.made[name] for name in NAMES]
    publishing.publisher.look_ahead(made)
    with publishing.store.transaction():
        intents = publishing.publisher.intend(made, model_digest=MODEL, recipes=[publishing.recipe])
    assert len(intents) == len(NAMES)
    folder.rename(away)
    if comes == "another folder":
        folder.mkdir()
    publishing.publisher.carry_out(made, intents)
    assert not list(folder.iterdir())
    assert not list(away.iterdir())
    assert publishing.outputs() == {}
    assert {state for state, _ in publishing.states().values()} == {FileState.QUEUED}
