"""Which model a rollback goes back to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.store.models import RECALLED
from pixd.system.errors import PixdError
from tests.support.trained_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """Give three models that became live one after the other."""
    one = Folder(tmp_path)
    for l1_weight in (100.0, 50.0, 25.0):
        one.set_train(l1_weight=l1_weight)
        one.train(live=True)
    yield one
    one.store.close()


def come_back(folder: Folder, number: int, why: str = "its settings came back") -> None:
    """Have a model that was live before made live again, as the service does."""
    model = folder.store.models.numbered("p", number)
    assert model is not None
    folder.store.models.promote(model, who="service", why=why, change_id="c")


def test_rolling_back_twice_is_two_steps_back(folder: Folder) -> None:
    assert folder.ask("rollback")["model"] == "model@2"
    assert folder.ask("rollback")["model"] == "model@1"
    with pytest.raises(PixdError, match="no model was live before model@1"):
        folder.ask("rollback")


def test_from_a_model_that_came_back_one_rolls_back_to_what_was_live_meanwhile(
    folder: Folder,
) -> None:
    come_back(folder, 1)
    assert folder.ask("rollback")["model"] == "model@3"
    assert folder.ask("rollback")["model"] == "model@2"


def test_what_a_person_promoted_by_mistake_is_rolled_back(folder: Folder) -> None:
    folder.ask("promote", number=1)
    assert folder.ask("rollback")["model"] == "model@3"


def test_after_a_rollback_a_newer_model_rolls_back_to_it(folder: Folder) -> None:
    folder.ask("rollback")
    folder.ask("unpin")
    folder.set_train(l1_weight=10.0)
    folder.train(live=True)
    assert folder.ask("rollback")["model"] == "model@2"
    assert folder.ask("rollback")["model"] == "model@1"


def test_a_model_that_was_left_because_of_a_recall_is_not_gone_back_to(folder: Folder) -> None:
    come_back(folder, 2, why=f"model@3 was trained on x.png{RECALLED}")
    assert folder.ask("rollback")["model"] == "model@1"
