"""An output that was edited by hand is kept, and asks for no work, under whatever model."""

from __future__ import annotations

import pytest

from pixd.store.queries import files
from pixd.store.states import FileState, OutputState
from tests.support.publishing import MODEL, NAMES, Publishing

OTHER = "sha256:" + "b" * 64
EDITED, *REST = NAMES


@pytest.fixture
def edited(publishing: Publishing) -> Publishing:
    """Return outputs of which the first was edited by hand, and is known to be."""
    publishing.publish(NAMES)
    (publishing.folder / EDITED).write_bytes(b"by hand")
    publishing.publish([EDITED])
    assert publishing.outputs()[EDITED] == OutputState.EDITED
    return publishing


@pytest.mark.parametrize(("model", "due"), [(MODEL, []), (OTHER, REST)])
def test_under_no_model_is_it_due(edited: Publishing, model: str, due: list[str]) -> None:
    reader = edited.store.db.conn
    planned = files.stale_inputs(reader, "p", edited.repo, model, [edited.recipe])
    assert planned.inputs == len(due)
    edited.store.outputs.requeue_stale("p", edited.repo, model, edited.recipe)
    queued = [name for name, (state, _) in edited.states().items() if state == FileState.QUEUED]
    assert sorted(queued) == due


def test_what_it_was_made_from_may_change(edited: Publishing) -> None:
    edited.store.db.conn.execute(
        "UPDATE file SET digest = (SELECT digest FROM file WHERE path = ?) WHERE path = ?",
        (REST[0], EDITED),
    )
    assert edited.store.outputs.requeue_stale("p", edited.repo, MODEL, edited.recipe) == 0
    behind = edited.store.outputs.behind("p", edited.repo, OTHER, edited.recipe)
    assert sorted(behind) == REST
