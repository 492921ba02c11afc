"""Outputs whose files somebody deleted are noticed while the service runs, and made again."""

from __future__ import annotations

import pytest

from pixd.config import PipelineSettings
from pixd.service import retry
from pixd.store.states import FileState, OutputState
from pixd.system.errors import PixdError
from pixd.translation import lost_outputs
from pixd.translation.lost_outputs import LEAST_OFTEN_S, MOST_OFTEN_S
from tests.support.publishing import NAMES, Publishing

ONE, TWO = NAMES[:2]
DELETED = (FileState.QUEUED, "its output was deleted")


@pytest.fixture
def pipeline(publishing: Publishing) -> PipelineSettings:
    """Return the settings of the pipeline whose outputs are published."""
    at = publishing.folder.parent
    return PipelineSettings(
        name="p", training=at / "training", input=at / "input", output=publishing.folder
    )


def test_a_deleted_output_is_made_again(publishing: Publishing) -> None:
    publishing.publish(NAMES)
    assert publishing.lost.look(0.0) == ""
    (publishing.folder / ONE).unlink()
    assert publishing.lost.look(MOST_OFTEN_S - 1) is None
    assert publishing.lost.look(MOST_OFTEN_S) == ""
    assert publishing.states()[ONE] == DELETED
    assert publishing.outputs()[ONE] == OutputState.MISSING
    publishing.publish([ONE])
    assert (publishing.folder / ONE).read_bytes() == b"translated " + ONE.encode()


def test_an_edited_output_that_is_deleted_is_made_again_too(publishing: Publishing) -> None:
    publishing.publish(NAMES)
    edited = publishing.folder / ONE
    edited.write_bytes(b"by hand")
    publishing.publish([ONE])
    assert publishing.outputs()[ONE] == OutputState.EDITED
    edited.unlink()
    publishing.lost.look(0.0)
    assert publishing.states()[ONE] == DELETED
    publishing.publish([ONE])
    assert edited.read_bytes() == b"translated " + ONE.encode()


def test_a_deleted_orphan_is_not_counted_and_brings_nothing_back(publishing: Publishing) -> None:
    publishing.publish(NAMES)
    publishing.store.outputs.orphan("p", [ONE])
    kept = publishing.folder / ONE
    content = kept.read_bytes()
    kept.unlink()
    publishing.lost.look(0.0)
    assert publishing.outputs()[ONE] == OutputState.MISSING
    assert publishing.states()[ONE][0] == FileState.TRANSLATED
    kept.write_bytes(content)  # somebody puts it back: it is not taken away
    publishing.lost.look(LEAST_OFTEN_S)
    assert kept.exists()


def test_a_folder_that_takes_long_to_look_at_is_looked_at_less_often(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing.publish(NAMES)
    monkeypatch.setattr(lost_outputs, "SHARE", 1e-9)  # then even this one takes long
    publishing.lost.look(0.0)
    assert publishing.lost.next_at == LEAST_OFTEN_S


def test_retry_of_a_deleted_output_does_not_wait_for_the_next_look(
    publishing: Publishing, pipeline: PipelineSettings
) -> None:
    publishing.publish(NAMES)
    (publishing.folder / ONE).unlink()
    done = retry.ask(publishing.store, pipeline, {"output": [ONE]}, "somebody")
    assert done["retried"] == [f"input/{ONE}"]
    assert not done["beside"]
    assert publishing.states()[ONE] == DELETED
    told = publishing.store.db.execute("SELECT message FROM event WHERE kind = 'retry'").fetchone()
    assert told == ("1 file is tried again, asked by somebody",)


def test_retry_of_an_output_that_is_as_it_should_be_changes_nothing(
    publishing: Publishing, pipeline: PipelineSettings
) -> None:
    publishing.publish(NAMES)
    publishing.store.working.set_state(publishing.repo, [TWO], FileState.FAILED)
    with pytest.raises(PixdError, match="no output that was edited"):
        retry.ask(publishing.store, pipeline, {"output": [ONE], "input": [TWO]}, "somebody")
    assert publishing.states()[TWO][0] == FileState.FAILED
