"""What the decoder finds odd in inputs becomes one line of `status`, and goes when they go."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixd.answers import status
from pixd.config.load import load
from pixd.images import decoder_child
from pixd.store.opening import open_store
from pixd.store.queries.training_set import part_of_inputs
from pixd.store.states import FileState
from pixd.translation.odd_inputs import OddInputs
from tests.support.commits import record
from tests.support.training_folder import CONFIG

IDS = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((8, 8), np.uint8))


def decoded(folder: Path, image: Image.Image, **reading: object) -> Mapping[str, Any]:
    image.save(folder / "x.png")
    request = {"image": str(folder / "x.png"), "want": "square", "size": 32, "fit": "pad"}
    event, _ = decoder_child.decode(request, **reading)  # type: ignore[arg-type]
    return event


def test_the_decoder_tells_what_is_odd_and_nothing_else(tmp_path: Path) -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    assert decoded(tmp_path, photo)["values"] is None
    values = decoded(tmp_path, Image.fromarray(IDS))["values"]
    assert values == {"bits": 8, "low": 0, "high": 15, "speckle": 0, "used": "ffff"}
    assert decoded(tmp_path, Image.fromarray(IDS), are_ids=True)["values"] is None
    refused = decoded(tmp_path, photo, are_ids=True)
    assert refused["event"] == "rejected"
    assert "class ids" in str(refused["reason"])
    wide = Image.fromarray(np.full((32, 32), 4095, np.uint16))
    assert decoded(tmp_path, wide)["values"] is not None
    assert decoded(tmp_path, wide, bits=12)["values"] is None


def test_status_says_it_of_all_inputs_and_only_while_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    settings = load(tmp_path / "config.yaml")
    with contextlib.closing(open_store(settings.store)) as store:
        repo = store.history.repo_id("p", "input")
        names = [f"{n}.png" for n in range(3)]
        record(store, repo, {name: name.encode() for name in names}, [])
        store.working.set_state(repo, names, FileState.TRANSLATED)
        learned = {"low": 0, "high": 255, "bits": 8, "labels": False, "white": 65535}
        store.care.note("p", "basis", (0, 0), "", {"inputs": learned})
        odd = OddInputs(store, "p", repo)
        event = json.loads(json.dumps(decoded(tmp_path, Image.fromarray(IDS))))
        for name in names:
            digest = store.working.head(repo)[name].digest
            assert digest is not None
            odd.keep(digest, event)
        odd.tell()
        found = status.snapshot(settings)["pipelines"]["p"]["input"]["findings"]
        assert found["worst"].startswith("3 of 3 inputs use 0 to 15 of 255, although the model")
        warnings = store.db.execute("SELECT count(*) FROM event WHERE kind = 'values'").fetchone()
        record(store, repo, {}, names)
        again = OddInputs(store, "p", repo)  # as after a restart
        again.tell(is_due=True)
        assert store.care.basis(part_of_inputs("p")) == ""
        found = status.snapshot(settings)["pipelines"]["p"]["input"]["findings"]
        assert found == {"wrong": 0, "look": 0, "worst": ""}
        assert (
            store.db.execute("SELECT count(*) FROM event WHERE kind = 'values'").fetchone()
            == warnings
        )


@pytest.mark.parametrize("event", [{}, {"values": None}])
def test_an_answer_without_values_keeps_nothing(tmp_path: Path, event: dict[str, object]) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with contextlib.closing(open_store(load(tmp_path / "config.yaml").store)) as store:
        odd = OddInputs(store, "p", store.history.repo_id("p", "input"))
        odd.keep("sha256:00", event)
        odd.tell()
        assert store.db.execute("SELECT count(*) FROM measure").fetchone() == (0,)


def test_what_was_found_is_compared_again_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with contextlib.closing(open_store(load(tmp_path / "config.yaml").store)) as store:
        odd = OddInputs(store, "p", store.history.repo_id("p", "input"))
        told: list[bool] = []
        monkeypatch.setattr(odd, "tell", lambda *, is_due: told.append(is_due))
        for now in (0.0, 5.0, 59.0, 60.0, 65.0):
            odd.tell_again(now)
        assert told == [True, True]
