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
from typing import Any

import pytest

from tests.support.tiny import Tiny

DOCUMENT = Path(__file__).parents[2] / "docs" / "lineage-format.md"
BLOCKS = re.findall(r"```(sql|sh)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (shutil.which("sqlite3") and shutil.which("sha256sum")),
    reason="the sqlite3 and sha256sum programs are not here",
)


class ByHand:
    """A reader with two programs and the document."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.used: set[str] = set()

    def block(self, start: str, kind: str = "sql") -> str:
        found = [text for k, text in BLOCKS if k == kind and text.startswith(start)]
        assert len(found) == 1, f"the document has {len(found)} blocks that start {start!r}"
        self.used.add(found[0])
        return str(found[0])

    def ask(self, start: str, **values: object) -> list[dict[str, Any]]:
        sql = self.block(start)
        for name, value in values.items():
            assert f"${name}" in sql
            sql = sql.replace(f"${name}", str(value))
        assert "$" not in sql
        done = subprocess.run(
            ["sqlite3", "-json", "-readonly", "lineage.db", sql],
            cwd=self.store, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout else []

    def sha256sum(self, path: Path) -> str:
        done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        return "sha256:" + done.stdout.split()[0]

    def bytes_of(self, digest: str) -> bytes:
        path = self.store / "objects" / digest[7:9] / digest[9:]
        assert self.sha256sum(path) == digest
        return path.read_bytes()

    def manifest(self, digest: str) -> dict[str, str]:
        head, *lines = self.bytes_of(digest).decode().splitlines()
        assert head == "pixd manifest 1"
        return {line.split(" ", 2)[2]: "sha256:" + line.split(" ")[0] for line in lines}


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
