"""What `pixd status` says of a live model whose folder has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixd.answers import status, status_text
from pixd.training.due import kept
from tests.support.commits import record
from tests.support.status_states import filled_world

CHANGED = ", the folder has changed since"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (kept(1, ""), f"{CHANGED}, the pairs have not\n"),
        ("model@2 was not promoted: worse", f"{CHANGED}\n"),
    ],
)
def test_a_file_that_is_no_pair_changes_the_folder_and_not_the_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, said: str
) -> None:
    with (
        filled_world(tmp_path / "facades", monkeypatch) as world,
        world.running(
            lambda live: live["pipelines"]["facades"]["train"].update(reason=reason)
        ) as store,
    ):
        training = store.history.repo_id("facades", "training")
        record(store, training, {"notes.png": b"no pair"}, [])
        text = status_text.render(status.snapshot(world.settings))
    assert said in text
