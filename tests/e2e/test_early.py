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


def told_of_one_model(tiny: Tiny) -> tuple[dict[str, Any], str, str, bytes]:
    """Return the pipeline's part of the status, what status and why print, and an output.

    The next early model may come at any moment. So all of it is read again where the model in
    service, or the number of outputs that are its own, is another one after the reading.
    """
    while True:
        part = tiny.until(lambda part: part["output"]["current"] == 2)
        shown = tiny.pixd("status").stdout
        why = tiny.pixd("why", "output/in-000.png").stdout
        output = tiny.outputs()["in-000.png"]
        after = tiny.part()
        if (after["model"]["number"], after["output"]["current"]) == (part["model"]["number"], 2):
            return part, shown, why, output


def test_inputs_have_pictures_long_before_the_last_step(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    tiny.configure(steps=STEPS)
    tiny.tune(early_seconds=1.0, learning_rate=0.002)
    tiny.pairs(range(20))
    tiny.inputs(range(2))
    tiny.start()
    try:
        part, shown, why, output = told_of_one_model(tiny)
        assert part["train"]["state"] == "running"
        early = part["model"]["early"]
        assert 0 < early["step"] < early["steps"] == STEPS
        assert f", early: step {early['step']:,} of 12,000, held-out L1 " in shown
        assert "training tiny" in shown
        assert f"model@{part['model']['number']} (early, step" in why
        assert model_in(output) == part["model"]["digest"]
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
