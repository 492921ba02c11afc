"""Fault 12: a thousand damaged images and bombs, dropped as inputs and as training pairs.

None may end the service or its translator, hang it, or be lost: each becomes a proper output
or is refused with a reason, and the counts add up.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.faults import children, damaged
from tests.faults.conftest import Figure
from tests.support.tiny import Tiny

MODULES = (
    "pixd.images.decoder_child",
    "pixd.training.dataset.inspector_child",
    "pixd.pix2pix.translator",
)
PEAK_DECODER_BYTES = (
    3 << 30
)  # what `pixd.system.children.confinement` allows; the bar is that it holds
NAIVE_S = 60
NAIVE = Path(__file__).parents[2] / "benchmarks" / "peers" / "naive_watcher.py"


class Peaks(threading.Thread):
    """Looks four times a second how much memory the children of a service have had."""

    def __init__(self, service: int) -> None:
        super().__init__(daemon=True)
        self.bytes = dict.fromkeys(MODULES, 0)
        self.pids: dict[str, set[int]] = {module: set() for module in MODULES}
        self.has_ended = threading.Event()
        self._service = service

    def run(self) -> None:
        while not self.has_ended.wait(0.25):
            for pid, command in children.below(self._service).items():
                for module in MODULES:
                    if f" -m {module}" in command:
                        self.pids[module].add(pid)
                        peak = children.peak_bytes(pid)
                        self.bytes[module] = max(self.bytes[module], peak)


def rows(tiny: Tiny, kind: str) -> dict[str, tuple[str, str]]:
    """Return (state, reason) of every file of a folder by name."""
    db = sqlite3.connect(f"file:{tiny.folder}/store/lineage.db?mode=ro", uri=True)
    found = db.execute(
        "SELECT path, state, reason FROM file JOIN repo ON repo.id = repo_id WHERE kind = ?",
        (kind,),
    ).fetchall()
    db.close()
    return {name: (state, reason) for name, state, reason in found}


@pytest.mark.timeout(600)
def test_every_damaged_image_is_translated_or_refused_with_a_reason(
    stub: Tiny, figure: Figure, *, is_full_size: bool
) -> None:
    files = list(damaged.files(1200 if is_full_size else 84, largest_bombs=is_full_size))
    stub.tune(quiet_seconds=3600)  # this is about looking at images, not about training on them
    stub.start()
    assert stub.service is not None
    peaks = Peaks(stub.service.pid)
    peaks.start()
    began = time.monotonic()
    for folder in ("input", "training"):
        for file in files:
            (stub.folder / folder / file.name).write_bytes(file.data)

    def is_through(part: dict[str, dict[str, object]]) -> bool:
        inputs, train = part["input"], part["train"]
        return (
            inputs["files"] == len(files)
            and inputs["settling"] == inputs["queued"] == 0
            and part["training"]["files"] == len(files) + 12
            and train["state"] == "waiting"
        )

    part = stub.until(is_through, 500)
    took_s = time.monotonic() - began
    peaks.has_ended.set()
    peaks.join()

    inputs, training = rows(stub, "input"), rows(stub, "training")
    outputs = stub.outputs()
    wrong: list[str] = []
    for file in files:
        state, reason = inputs[file.name]
        state_as_pair, reason_as_pair = training[file.name]
        is_taken = state == "translated"
        wanted = {"taken": (True,), "refused": (False,), "either": (True, False)}[file.expected]
        output = file.name if file.name.endswith(".png") else f"{file.name}.png"
        if is_taken not in wanted or is_taken != (output in outputs):
            wrong.append(f"{file.name}: {state}, {reason}")
        if not is_taken and not (state == "rejected" and reason):
            wrong.append(f"{file.name}: {state} without a reason")
        if not (state_as_pair == "recorded" or (state_as_pair == "rejected" and reason_as_pair)):
            wrong.append(f"{file.name} as a pair: {state_as_pair}, {reason_as_pair}")
    for name, data in outputs.items():
        with Image.open(BytesIO(data)) as image:
            image.load()
            if (image.size, image.mode) != ((32, 32), "RGB"):
                wrong.append(f"{name}: {image.size}, {image.mode}")
    counts = part["input"]
    states = ("settling", "queued", "translated", "rejected", "failed")
    adds_up = counts["files"] == sum(counts[state] for state in states)
    translators = len(peaks.pids["pixd.pix2pix.translator"])
    decoder_mb = peaks.bytes["pixd.images.decoder_child"] / 1e6
    inspector_mb = peaks.bytes["pixd.training.dataset.inspector_child"] / 1e6
    assert stub.service.poll() is None
    figure(
        12,
        f"{len(files)} damaged images as inputs and as pairs",
        pixd=(
            f"{counts['translated']} translated, {counts['rejected']} refused with a reason,"
            f" {len(wrong)} otherwise; {translators} translator; decoder at most"
            f" {decoder_mb:.0f} MB, inspector {inspector_mb:.0f} MB; {took_s:.0f} s {wrong[:3]}"
        ),
        naive=naive(files, stub.folder / "naive") if is_full_size else "",
        bar="0 crashes, 0 hangs, each an output or a reason, counts add up, memory bounded",
        met=(
            not wrong
            and adds_up
            and not counts["failed"]
            and translators == 1
            and 0 < peaks.bytes["pixd.images.decoder_child"] < PEAK_DECODER_BYTES
            and 0 < peaks.bytes["pixd.training.dataset.inspector_child"] < PEAK_DECODER_BYTES
        ),
    )


def naive(files: list[damaged.Damaged], folder: Path) -> str:
    """Drop the same files before the script that people write instead."""
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    log = folder / "log"
    with log.open("wb") as out:
        script = subprocess.Popen(
            [sys.executable, str(NAIVE), str(folder / "in"), str(folder / "out")],
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    ends_at = time.monotonic() + NAIVE_S

    def said() -> list[str]:
        lines = log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith(("translated", "failed"))]

    def wait(is_so: Callable[[], object]) -> None:
        while not is_so() and time.monotonic() < ends_at:
            time.sleep(0.1)

    wait(lambda: "watching" in log.read_text(errors="replace"))
    for file in files:
        (folder / "in" / file.name).write_bytes(file.data)
    wait(lambda: len(said()) >= len(files))
    peak_mb = children.peak_bytes(script.pid) / 1e6
    script.kill()
    script.wait()
    refused = {file.name for file in files if file.expected == "refused"}
    passed = sum(
        line.split(" ", 1)[1] in refused for line in said() if line.startswith("translated")
    )
    return (
        f"answered {len(said())} of {len(files)} in {NAIVE_S} s, translated {passed} that are cut off"
        f" or no pictures, {len(list((folder / 'out').iterdir()))} outputs, {peak_mb:.0f} MB"
    )
