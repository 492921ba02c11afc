"""Measures the time from a dropped file to its output, of pixd and of the usual short script.

Usage: python benchmarks/drop_latency.py [DROPS] [IMAGE_PX] [NGF] (200 256 64). It first trains two
steps, so that there is a model of that size. With a warm translator, files of that size are renamed
into place, and then others are written and closed. Then files are renamed again while a training
runs; that should not make a drop three times as slow. The translator's own time (decode, inference,
encode, from the run's timings) is printed separately. The script only inverts the colours.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fixtures.service_folder import ServiceFolder
from PIL import Image

PEER = Path(__file__).with_name("peers") / "naive_watcher.py"
MEDIAN_S, P95_S = 0.3, 0.6
LATE_S = 60.0
TRAINING_RATIO = 3  # of the median, while a training runs


class Drop(NamedTuple):
    """One file: how long until its output existed, and how long the translator itself took."""

    latency_s: float
    translator_s: float


def picture(px: int, number: int) -> Image.Image:
    noise = Image.effect_noise((px, px), 40).convert("RGB")
    noise.putpixel((0, 0), (number % 256, number // 256 % 256, 7))
    return noise


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def rename(path: Path, data: bytes) -> None:
    beside = path.parent.parent / "beside" / path.name
    beside.write_bytes(data)
    beside.rename(path)


WAYS = {"renamed into place": rename, "closed after writing": write}


def drop_all(
    folder: Path, place: Callable[[Path, bytes], None], names: list[str], px: int
) -> dict[str, float]:
    """Drop each file, wait for its output, and return the seconds between the two."""
    latencies: dict[str, float] = {}
    whole = folder / "whole.png"
    for number, name in enumerate(names):
        picture(px, number).save(whole)
        data = whole.read_bytes()
        time.sleep(random.uniform(0.05, 0.4))  # so that drops come at no regular time
        output = folder / "output" / name
        place(folder / "input" / name, data)
        began = time.perf_counter()
        while not output.exists():
            if time.perf_counter() - began > LATE_S:
                raise SystemExit(f"{name} has no output after {LATE_S:.0f} s")
            time.sleep(0.002)
        latencies[name] = time.perf_counter() - began
    return latencies


def with_timings(folder: Path, latencies: dict[str, float]) -> list[Drop]:
    reader = sqlite3.connect(f"file:{folder}/store/lineage.db?mode=ro", uri=True)
    timings = {
        name: sum(json.loads(text).values()) / 1000
        for name, text in reader.execute(
            "SELECT path, timings FROM run JOIN run_input ON run_input.run_id = run.id"
            " WHERE role = 'image' AND timings IS NOT NULL"
        )
    }
    reader.close()
    return [Drop(latency_s, timings[name]) for name, latency_s in latencies.items()]


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def show(what: str, drops: list[Drop], *, has_bar: bool) -> None:
    latency = [drop.latency_s for drop in drops]
    beyond = [drop.latency_s - drop.translator_s for drop in drops]
    bar = f"  (bar: {MEDIAN_S}, {P95_S})" if has_bar else ""
    print(
        f"{what:34} {len(drops):4} drops: median {statistics.median(latency):.3f} s,"
        f" p95 {p95(latency):.3f} s; beyond the translator's own time"
        f" median {statistics.median(beyond):.3f} s, p95 {p95(beyond):.3f} s{bar}",
        flush=True,
    )


def wait_for_training(folder: Path) -> None:
    """Wait until the training has made some steps."""
    for _ in range(600):
        time.sleep(0.5)
        live = json.loads((folder / "store" / "service.json").read_text())
        if live["pipelines"]["p"]["train"]["step"]:
            return
    raise SystemExit("no training began")


def measure_pixd(folder: Path, drops: int, px: int, ngf: int) -> None:
    service = ServiceFolder(folder, px, ngf)
    service.add_pairs()
    service.run_once()
    seen: dict[str, list[Drop]] = {}
    with service.running():
        drop_all(folder, rename, [f"warm-{n}.png" for n in range(3)], px)
        for how, place in WAYS.items():
            names = [f"{place.__name__}-{n:04d}.png" for n in range(drops)]
            seen[how] = with_timings(folder, drop_all(folder, place, names, px))
            show(f"pixd, {how}", seen[how], has_bar=True)
    service.configure("steps: 1000000")
    with service.running():
        wait_for_training(folder)
        drop_all(folder, rename, [f"warm-training-{n}.png" for n in range(3)], px)
        names = [f"training-{n:04d}.png" for n in range(max(drops // 4, 5))]
        beside = with_timings(folder, drop_all(folder, rename, names, px))
        show("pixd, renamed, a training runs", beside, has_bar=False)
    with_training, without = (
        statistics.median(drop.latency_s for drop in drops)
        for drops in (beside, seen["renamed into place"])
    )
    print(
        f"pixd, renamed, median with a training / without  {with_training / without:.2f}"
        f"  (bar: under {TRAINING_RATIO})",
        flush=True,
    )


def measure_naive(folder: Path, drops: int, px: int) -> None:
    command = [sys.executable, str(PEER), str(folder / "input"), str(folder / "output")]
    script = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    try:
        script.stdout.readline()
        for how, place in WAYS.items():
            names = [f"{place.__name__}-{n:04d}.png" for n in range(drops)]
            latencies = drop_all(folder, place, names, px)
            seen = [Drop(latency_s, 0.0) for latency_s in latencies.values()]
            show(f"naive script, {how}", seen, has_bar=False)
    finally:
        script.kill()


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    drops, px, ngf = given + [200, 256, 64][len(given) :]
    with tempfile.TemporaryDirectory(prefix="pixd-latency-") as at:
        for below in ("input", "output", "beside"):
            (Path(at) / "naive" / below).mkdir(parents=True)
        measure_pixd(Path(at) / "pixd", drops, px, ngf)
        measure_naive(Path(at) / "naive", drops, px)


if __name__ == "__main__":
    main()
