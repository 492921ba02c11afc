"""`pixd try`: variants are trained beside the live model, cut off twice, shown, and one promoted."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

from tests.support.by_hand import ByHand
from tests.support.tiny import PATIENCE_S, Tiny

SETS = ("--set", "train.ngf=4,8", "--set", "train.steps=60")


def tried(tiny: Tiny, *words: str) -> dict[str, Any]:
    done = tiny.pixd("try", *SETS, *words, "--no-open", "--json", timeout_s=2 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def until_it_tries(tiny: Tiny) -> dict[str, Any]:
    return tiny.until(
        lambda part: part["train"]["reason"].startswith("trying") and part["train"]["step"]
    )


def trainings(tiny: Tiny) -> list[tuple[Any, ...]]:
    return tiny.rows("SELECT state, reason FROM run WHERE kind = 'train' ORDER BY id")


def test_variants_are_trained_to_their_end_once_and_none_goes_live_unasked(own: Tiny) -> None:
    own.pairs(range(12, 14))  # the last one is held out
    own.once()
    outputs = own.outputs()
    refused = own.pixd("try", "--set", "train.ngf=0")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 2)
    alone = own.pixd("try", *SETS, "--no-open")
    assert alone.returncode == 3
    assert "0 of 2 variants are trained, and no service runs" in alone.stderr

    own.start()
    part = until_it_tries(own)
    assert part["train"]["reason"].startswith("trying 1 of 2: ngf 4, steps 60")
    assert "trying 1 of 2: ngf 4, steps 60" in own.pixd("status").stdout
    own.stop()
    assert trainings(own)[2][0] == "cancelled"
    assert "goes on from there" in trainings(own)[2][1]
    own.start()
    until_it_tries(own)
    own.stop(signal.SIGKILL)
    own.start()

    found = tried(own)
    assert [state for state, _ in trainings(own)] == [
        *("succeeded", "succeeded", "cancelled", "lost", "succeeded", "succeeded")
    ]
    by_number = {one["number"]: one for one in found["variants"]}
    assert [by_number[n]["model"] for n in (1, 2)] == ["model@3", "model@4"]
    assert [by_number[n]["settings"]["train.ngf"] for n in (1, 2)] == [4, 8]
    assert found["best"] in {"model@3", "model@4"}
    assert found["live"]["name"] == "model@2, live"
    assert own.outputs() == outputs
    assert own.part()["model"]["number"] == 2

    page = Path(found["report"]).read_text()
    shown = min(6, found["held_out"])
    assert page.count("<img") == shown * len(("input", "target", *by_number, "live"))
    again = tried(own, "--pairs", "0")
    assert (again["sweep"], again["best"]) == (found["sweep"], found["best"])
    assert len(trainings(own)) == 6

    (run,) = own.rows("SELECT max(run_id) FROM variant_run")
    if shutil.which("sqlite3"):
        asked = ByHand(own.folder / "store").ask("SELECT sweep.id", PIPELINE="tiny")
        assert [(one["number"], one["model"], one["state"]) for one in asked] == [
            *((1, "model@3", state) for state in ("cancelled", "lost", "succeeded")),
            (2, "model@4", "succeeded"),
        ]
    why = own.pixd("why", f"run@{run[0]}").stdout
    assert "variant 2 of 2 of pixd try" in why
    assert "ngf 4 -> 8" in why
    promote(own, outputs)


def promote(own: Tiny, outputs: dict[str, bytes]) -> None:
    """Make a variant live, and then have config.yaml ask for it."""
    promoted = own.pixd("promote", "model@4")
    assert "  train:\n    ngf: 8\n    steps: 60\n" in promoted.stdout
    own.until(lambda part: part["input"]["queued"] == 0 and part["output"]["current"] == 3)
    assert own.outputs() != outputs
    plan = own.pixd("plan").stdout
    assert "nothing: model@4 is pinned" in plan
    assert "keep      model@4, which is pinned: train.ngf is 8, in config.yaml 4" in plan
    own.tune(ngf=8, steps=60)
    assert own.service is not None
    own.service.send_signal(signal.SIGHUP)
    own.until(lambda part: part["train"]["reason"].startswith("the live model is of these pairs"))
    own.pixd("unpin")
    own.until(lambda part: part["train"]["reason"].startswith("the live model is of these pairs"))
    assert own.part()["model"]["number"] == 4
    assert len(trainings(own)) == 6
    assert own.stop() == 0
