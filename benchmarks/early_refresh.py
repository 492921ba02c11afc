"""What early models cost a large input folder: the share of the processor, and the order.

Usage: python benchmarks/early_refresh.py [--inputs 10000] [--minutes 8] [--early-seconds 60]

A service trains a small network (64 px, ngf 8) on drawn pairs for so long that its end does not come,
with so many inputs of 64 px. Inputs without an output are translated at once. What follows under
the second and third early model may take a tenth of the time. Processor time is user and system
time, read from /proc; "translating" is the translator and its decoders.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fixtures.processes import cpu_by_module
from PIL import Image

from pixd.images.demo_set import write_demo_set

PIXD = [sys.executable, "-m", "pixd"]
PX = 64
PAIRS = 64
LOOK_EVERY_S = 1.0
TRANSLATING = ("pixd.pix2pix.translator", "pixd.images.decoder_child")
CONFIG = """\
store: ./store
device: cpu
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
    image_size: 64
    settle_seconds: 0.2
    train:
      quiet_seconds: 0
      steps: 10000000
      ngf: 8
      ndf: 8
      learning_rate: 0.001
      early_seconds: {early_seconds}
"""


class Seen(NamedTuple):
    """What was seen at one moment.

    Attributes:
        at: seconds since the start.
        translating_s: processor time of translating, since the start.
        all_s: of the service and everything that it started.
        live: number of the live model; 0 before the first.
        outputs: how many current outputs there are.
        made: how many of them are of the live model.
        newest: how many of those are of the newest inputs, as many as there are.
    """

    at: float
    translating_s: float
    all_s: float
    live: int
    outputs: int
    made: int
    newest: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--early-seconds", type=float, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixd-early-") as name:
        at = Path(name)
        draw(at, args.inputs)
        (at / "config.yaml").write_text(CONFIG.format(early_seconds=args.early_seconds))
        seen = watch(at, args.minutes * 60)
        subprocess.run([*PIXD, "log", "-n", "30"], cwd=at, check=True)
    report(seen, args.inputs)


def draw(at: Path, inputs: int) -> None:
    for folder in ("training", "input", "output"):
        (at / folder).mkdir()
    write_demo_set(at / "training", PAIRS, seed=1, size=PX)
    rng = np.random.default_rng(1)
    halves = [Image.open(path).crop((0, 0, PX, PX)) for path in (at / "training").iterdir()]
    for number in range(inputs):
        image = halves[number % len(halves)].convert("RGB")
        image.putpixel((0, 0), tuple(int(v) for v in rng.integers(0, 256, 3)))
        image.save(at / "input" / f"{number:05d}.png", compress_level=1)


def watch(at: Path, seconds: float) -> list[Seen]:
    """Run the service for so long, and look at it once a second."""
    began, seen = time.monotonic(), []
    used: dict[str, float] = {}
    with (at / "log").open("wb") as log:
        service = subprocess.Popen([*PIXD, "run"], cwd=at, stdout=log, stderr=log)
    try:
        while time.monotonic() - began < seconds:
            for module, spent in cpu_by_module(service.pid).items():
                used[module] = max(used.get(module, 0.0), spent)
            translating = sum(used.get(module, 0.0) for module in TRANSLATING)
            seen.append(
                Seen(
                    time.monotonic() - began,
                    translating,
                    sum(used.values()),
                    *outputs_of(at / "store" / "lineage.db"),
                )
            )
            time.sleep(LOOK_EVERY_S)
    finally:
        service.terminate()
        service.wait()
    return seen


def outputs_of(database: Path) -> tuple[int, int, int, int]:
    try:
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        live = db.execute(
            "SELECT number, digest FROM ref JOIN model ON model.id = model_id"
        ).fetchone()
        if live is None:
            return 0, 0, 0, 0
        rows = db.execute(
            "SELECT input_path, model_digest = ? FROM output WHERE state = 'current'", (live[1],)
        ).fetchall()
        newest = [
            row[0]
            for row in db.execute(
                "SELECT path FROM file JOIN repo ON repo.id = repo_id WHERE kind = 'input'"
                " ORDER BY ctime_ns DESC"
            )
        ]
    except sqlite3.Error:
        return 0, 0, 0, 0
    made = {path for path, is_live in rows if is_live}
    return int(live[0]), len(rows), len(made), len(made & set(newest[: len(made)]))


def report(seen: list[Seen], inputs: int) -> None:
    print(
        f"{'live':>10}{'from s':>8}{'to s':>8}{'made':>8}{'newest':>8}"
        f"{'translating s':>15}{'all s':>8}{'share':>8}"
    )
    for live in sorted({one.live for one in seen if one.live}):
        part = [one for one in seen if one.live == live and one.outputs >= inputs]
        if len(part) < 2:
            print(f"  model@{live}: the inputs without an output took all its time")
            continue
        first, last = part[0], part[-1]
        translating, all_s = (
            last.translating_s - first.translating_s,
            last.all_s - first.all_s,
        )
        print(
            f"{f'model@{live}':>10}{first.at:8.0f}{last.at:8.0f}{last.made:8}{last.newest:8}"
            f"{translating:15.1f}{all_s:8.1f}{translating / max(all_s, 1e-9):8.3f}"
        )


if __name__ == "__main__":
    main()
