"""docs/lineage-format.md is enough: the store is read by sqlite3 and sha256sum alone.

Nothing of pixd is imported for the reading; every block of the document is run as it stands
there, with its $NAMES filled in.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.by_hand import BLOCKS, ByHand
from tests.support.tiny import Tiny

pytestmark = pytest.mark.skipif(
    not (shutil.which("sqlite3") and shutil.which("sha256sum")),
    reason="the sqlite3 and sha256sum programs are not here",
)


def test_a_store_is_read_from_the_document_alone(trained: Tiny, tmp_path: Path) -> None:
    by_hand = ByHand(trained.folder / "store")
    shell = by_hand.block("sha256sum objects", "sh")
    done = subprocess.run(shell, shell=True, cwd=by_hand.store, capture_output=True, text=True)  # noqa: S602, PLW1510
    assert (done.stdout, done.returncode) == ("", 0)

    # From a renamed output back to everything.
    copy = tmp_path / "renamed"
    shutil.copy(trained.folder / "output" / "in-001.png", copy)
    by_hand.block('sha256sum "$OUTPUT"', "sh")
    digest = by_hand.sha256sum(copy)
    (output,) = by_hand.ask("SELECT path, state, published_at, input_path", DIGEST=digest)
    assert (output["path"], output["state"]) == ("in-001.png", "current")
    assert output["input_digest"] == by_hand.sha256sum(trained.folder / "input" / "in-001.png")
    assert by_hand.bytes_of(output["input_digest"])
    key = re.search(rb"pixd:run\0(sha256:[0-9a-f]{64})", copy.read_bytes())
    assert key is not None
    (run,) = by_hand.ask("SELECT id, state, change_id FROM run", RUN_KEY=key[1].decode())
    assert run["id"] == output["run_id"]
    (made,) = by_hand.ask("SELECT recipe.body AS settings", RUN_ID=output["run_id"])
    assert json.loads(made["settings"])["image_size"] == 32
    assert json.loads(made["ran_on"])["device"] == "cpu"

    (model,) = by_hand.ask("SELECT number, train_run", MODEL=output["model_digest"])
    assert model["number"] == 1
    files = by_hand.manifest(output["model_digest"])
    assert "generator.keras" in files
    for name, content in files.items():
        assert (
            by_hand.sha256sum(by_hand.store / "models" / output["model_digest"][7:] / name)
            == content
        )
    training = {p.name: by_hand.sha256sum(p) for p in (trained.folder / "training").iterdir()}
    assert by_hand.manifest(model["version"]) == training
    (pairs,) = by_hand.ask("SELECT digest FROM run_input", TRAIN_RUN=model["train_run"])
    listing = json.loads(by_hand.bytes_of(pairs["digest"]))
    images = {path: d for part in listing.values() for _, fs in part for path, d in fs}
    assert images == training

    # And forward again.
    image = training["003.png"]
    (appeared,) = by_hand.ask("SELECT repo.pipeline", IMAGE=image)
    assert (appeared["path"], appeared["seq"]) == ("003.png", 1)
    outputs = by_hand.ask("SELECT path, state, model_digest", IMAGE=output["input_digest"])
    assert [o["path"] for o in outputs] == ["in-001.png"]
    assert by_hand.ask("SELECT name, digest, input_path", IMAGE=image) == []  # nothing was taught

    (score,) = by_hand.ask("SELECT steps, early_of", PIPELINE="tiny", NUMBER=1)
    assert (score["steps"], score["early_of"]) == (4, 0)
    assert json.loads(score["verdict"])["promote"] is True
    curve = by_hand.ask("SELECT step, name, value", TRAIN_RUN=model["train_run"])
    assert {one["name"] for one in curve} >= {"gen_l1_loss", "disc_loss"}
    assert by_hand.ask("SELECT sweep.id", PIPELINE="tiny") == []  # nothing was tried

    for row in by_hand.ask("SELECT chain, json_array"):
        facts = next(value for name, value in row.items() if name != "chain")
        (tmp_path / "facts").write_bytes(facts.encode())
        assert by_hand.sha256sum(tmp_path / "facts") == row["chain"]
    (live,) = by_hand.ask(
        "SELECT 'model@' || model.number", PIPELINE="tiny", TIME="9999-12-31T00:00:00Z"
    )
    assert next(iter(live.values())) == "model@1"
    (kept,) = by_hand.ask("SELECT state, changed_at", DIGEST=digest)
    assert kept["state"] == "present"
    assert by_hand.used == {text for _, text in BLOCKS}
