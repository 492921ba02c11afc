"""Stores of the project's own earlier commits: an upgrade redoes nothing unasked, and says what it offers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import old_store
from tests.support.old_store import Code, old_code, rows
from tests.support.tiny import pair, picture

ARITHMETIC = "5a76796"  # then weights changed by rounding
RESULTS = "71d2568"  # then the exported weights were picked otherwise, too

CONFIG = """\
store: ./store
device: cpu
pipelines:
  one:
    training: ./one/training
    input: ./one/input
    output: ./one/output
    image_size: 32
    settle_seconds: 0.3
    train: {{quiet_seconds: 0.5, steps: {steps}, ngf: 1, ndf: 1, validation: 0.2}}
"""
OTHERWISE = "pixd 0.1 picks the weights of a model otherwise"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not (old_store.has_commit(ARITHMETIC) and old_store.has_commit(RESULTS)),
        reason="the sources come without their history",
    ),
]


def project(folder: Path, *, steps: int) -> Path:
    for below in ("training", "input", "output"):
        (folder / "one" / below).mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.format(steps=steps))
    for number in range(12):
        pair(number).save(folder / "one/training" / f"{number:03d}.png")
    picture(1).save(folder / "one/input/in.png")
    return folder


def said(code: Code, folder: Path, *words: str) -> Any:
    return json.loads(code.pixd(folder, *words, "--json").stdout)


def runs(folder: Path) -> list[tuple[Any, ...]]:
    return rows(folder, "SELECT kind, state, reason FROM run WHERE kind = 'train' ORDER BY id")


@pytest.mark.parametrize(("commit", "is_offered"), [(ARITHMETIC, False), (RESULTS, True)])
def test_nothing_is_redone_and_what_is_otherwise_is_said_before_the_start(
    tmp_path: Path, commit: str, *, is_offered: bool
) -> None:
    folder, present = project(tmp_path / "made", steps=4), Code(old_store.ROOT)
    old_code(tmp_path / "source", commit).done(folder, "run", "--once")
    before, outputs = old_store.records(folder), list((folder / "one/output").iterdir())
    bytes_before = [path.read_bytes() for path in outputs]

    offers = said(present, folder, "status")["pipelines"]["one"]["offers"]
    assert [offer["command"] for offer in offers] == ["pixd retrain"] * is_offered
    planned = said(present, folder, "plan")["one"]
    assert planned["train"]["action"] == "none"
    assert (OTHERWISE in planned["train"]["why"]) == is_offered
    assert planned["translate"]["due"] == planned["translate"]["due_after_training"] == 0
    checks = {c["name"]: c for c in said(present, folder, "doctor", "--no-model")["checks"]}
    assert ("one upgrade" in checks) == is_offered

    present.done(folder, "run", "--once")
    assert old_store.records(folder) == before
    assert [path.read_bytes() for path in outputs] == bytes_before

    asked = said(present, folder, "retrain")
    assert asked["asked"] == is_offered
    present.done(folder, "run", "--once")
    trained = runs(folder)[1:]
    assert [row[:2] for row in trained] == [("train", "succeeded")] * is_offered
    assert all("asked for by pixd retrain" in row[2] and OTHERWISE in row[2] for row in trained)


def test_a_training_that_the_upgrade_cut_off_goes_on(tmp_path: Path) -> None:
    folder, present = project(tmp_path / "made", steps=3000), Code(old_store.ROOT)
    old = old_code(tmp_path / "source", ARITHMETIC)
    service = subprocess.Popen(
        [sys.executable, "-m", "pixd", "run"], cwd=folder, env=old.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not list((folder / "store").glob("checkpoints/*/step-*")):
        assert service.poll() is None
        time.sleep(0.2)
    service.send_signal(signal.SIGTERM)
    service.wait()
    (folder / "config.yaml").write_text(CONFIG.format(steps=3000))
    assert "where an earlier pixd stopped" in said(present, folder, "plan")["one"]["train"]["why"]
    present.done(folder, "run", "--once")
    (cut_off, went_on) = runs(folder)
    assert cut_off[1] == "cancelled"
    assert went_on[1] == "succeeded"
    assert "goes on from step" in went_on[2]
    messages = [row[0] for row in rows(folder, "SELECT message FROM event")]
    assert not any("cannot be read" in message for message in messages)
