"""A burst: tens of thousands of images in a tight loop, and a restart with all of them done."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.support.proc import Proc
from tests.support.tiny import Tiny, small_png

MOST_GROWTH_MB = 100
MOST_STATUS_S = 0.3
MOST_RESTART_S = 3.0


class Burst:
    """What was seen while the service worked a burst off."""

    def __init__(self, tiny: Tiny) -> None:
        assert tiny.service is not None
        self.tiny = tiny
        self.proc = Proc(tiny.service.pid)
        self.status_s: list[float] = []

    def work_off(self, images: int, timeout_s: float) -> None:
        """Look at the status again and again until `images` are translated."""
        ends_at = time.monotonic() + timeout_s
        while True:
            began = time.monotonic()
            status = self.tiny.status()
            self.status_s.append(time.monotonic() - began)
            part = status["pipelines"]["tiny"]["input"]
            if part["translated"] == images and status["idle"]:
                return
            assert time.monotonic() < ends_at, part
            time.sleep(0.5)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def drop(folder: Path, numbers: range) -> None:
    for number in numbers:
        (folder / f"{number:06d}.png").write_bytes(small_png(number))


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", ["half", "whole"])
def test_a_burst_is_translated_to_the_last_image_in_little_memory(
    stub: Tiny, figure: Figure, size: str, *, is_full_size: bool
) -> None:
    if size == "half" and not is_full_size:
        pytest.skip("one burst is enough at the small size")
    images = {"half": 50_000, "whole": 100_000}[size] if is_full_size else 1_000
    stub.start()
    stub.inputs(range(1))
    stub.until(lambda part: part["input"]["translated"] == 1)  # the translator is warm now
    burst = Burst(stub)
    before_mb = burst.proc.memory_mb()
    began = time.monotonic()
    drop(stub.folder / "input", range(images))
    burst.work_off(images + 1, 550)
    took_s = time.monotonic() - began
    grew_mb = burst.proc.memory_mb(peak=True) - before_mb
    part = stub.part()
    status_s = statistics.median(burst.status_s)
    is_complete = (
        names_in(stub.folder / "output") == names_in(stub.folder / "input")
        and part["input"]["files"] == part["input"]["translated"] == part["output"]["current"]
        and stub.runs("translate") == images + 1
    )
    figure(
        6.1 if size == "half" else 6.2,
        f"{images:,} images in a tight loop",
        pixd=f"{part['input']['translated'] - 1:,} translated, each once, in {took_s:.0f} s; memory"
        f" grew by {grew_mb:.0f} MB at its peak; `pixd status` meanwhile took {status_s:.2f} s"
        f" (at most {max(burst.status_s):.2f} s)",
        bar=f"all; under {MOST_GROWTH_MB} MB; under {MOST_STATUS_S} s (median)",
        # At the small size other tests may run beside.
        met=is_complete
        and grew_mb < MOST_GROWTH_MB
        and (status_s < MOST_STATUS_S or not is_full_size),
    )
    assert stub.stop() == 0

    before = stub.runs("translate")
    began = time.monotonic()
    stub.start()
    ready_s = time.monotonic() - began
    stub.until(lambda part: part["input"]["translated"] == images + 1)
    redone = stub.runs("translate") - before
    figure(
        6.3 if size == "half" else 6.4,
        f"restart with {images + 1:,} outputs",
        pixd=f"ready in {ready_s:.1f} s; {redone} translated again",
        bar=f"under {MOST_RESTART_S:.0f} s; 0",
        met=redone == 0 and (ready_s < MOST_RESTART_S or not is_full_size),
    )
