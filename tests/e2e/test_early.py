"""The first pictures come while the training goes on, and the last ones from its own model."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.tiny import Tiny

STEPS = 12_000


def model_in(output: bytes) -> str:
    """Return the digest of the model that an output names in its text."""
    with Image.open(BytesIO(output)) as image:
        return str(image.text["pixd:model"])  # type: ignore[attr-defined]


def shown_of_one_model(tiny: Tiny) -> tuple[dict[str, Any], str]:
    """Return the pipeline's part of the status, and what the command prints of the same model.

    The next early model may go live between the two readings; then both are read again.
    """
    while True:
        part = tiny.part()
        shown = tiny.pixd("status").stdout
        if tiny.part()["model"]["number"] == part["model"]["number"]:
            return part, shown


def explained(tiny: Tiny, name: str) -> tuple[str, bytes]:
    """Return what `pixd why` prints of an output, and its bytes, which a better model may replace."""
    while True:
        output = tiny.outputs()[name]
        why = tiny.pixd("why", f"output/{name}").stdout
        if tiny.outputs()[name] == output:
            return why, output


def test_inputs_have_pictures_long_before_the_last_step(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    tiny.configure(steps=STEPS)
    tiny.tune(early_seconds=1.0, learning_rate=0.002)
    tiny.pairs(range(20))
    tiny.inputs(range(2))
    tiny.start()
    try:
        tiny.until(lambda part: part["input"]["translated"] == 2)
        part, shown = shown_of_one_model(tiny)
        assert part["train"]["state"] == "running"
        early = part["model"]["early"]
        assert 0 < early["step"] < early["steps"] == STEPS
        assert f", early: step {early['step']:,} of 12,000, held-out L1 " in shown
        assert "training tiny" in shown
        # An input is made again twice an hour at most, so its model need not be the newest one.
        why, output = explained(tiny, "in-000.png")
        found = "SELECT number, early_of FROM model WHERE digest = ?"
        ((number, early_of),) = tiny.rows(found, model_in(output))
        assert early_of == STEPS
        assert f"model@{number} (early, step" in why
        assert "is live, early, at step" in tiny.pixd("log").stdout

        tiny.tune(steps=STEPS // 100)  # a run that is not wanted any more ends; a short one follows
        tiny.service.send_signal(1)  # type: ignore[union-attr]
        last = tiny.until(
            lambda part: part["model"]["early"] is None and part["output"]["current"] == 2
            and part["train"]["state"] == "idle"
        )  # fmt: skip
    finally:
        tiny.stop()
    tiny.once()
    assert {model_in(data) for data in tiny.outputs().values()} == {last["model"]["digest"]}
    assert "early, of 12,000 steps" in tiny.pixd("models").stdout
    assert tiny.pixd("verify").returncode == 0
    traced = tiny.pixd("trace", "output/in-000.png").stdout
    assert last["model"]["digest"][:12] in traced or f"model@{last['model']['number']}" in traced


def test_never_means_that_the_first_picture_is_of_the_last_step(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    tiny.configure(steps=60)
    tiny.tune(early="never", early_seconds=0.1, learning_rate=0.002)
    tiny.pairs(range(20))
    tiny.inputs(range(1))
    tiny.once()
    assert tiny.rows("SELECT count(*), max(early_of) FROM model") == [(1, 0)]
