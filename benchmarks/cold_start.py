"""Measures from a dropped image to its output where the translator does not run yet, split by phase.

Usage: python benchmarks/cold_start.py [--before REF] [--ngf 64] [--size 256] [--rounds 3]
[--later 20]

The live model is there. Twice in each round an image is renamed into the input folder: right before
`pixd run` starts, and so many seconds after (--later). The translator is then started, loaded and
asked. Shown is when each phase begins, in seconds after the drop, as the service hears of it; medians
over the rounds. With --before, the service of an earlier commit takes turns with this one, and the
ratio is printed. The processor time is that of all processes of the service until the output exists.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fixtures.processes import cpu_by_module
from fixtures.service_folder import ServiceFolder
from peers.before import environment_of, tree_of
from PIL import Image

ROOT = Path(__file__).parents[1]
WANTED = 0.6
LATE_S = 180.0
# Notes when the service starts a child, and when it hears of an event.
PRELUDE = """
import json, sys, time
from pixd.system.children import worker
told = open("heard", "a", buffering=1)
note = lambda what: print(json.dumps([time.time(), what]), file=told)
start, read = worker.Worker.start.__func__, worker.Worker.read_events
def starting(cls, module, *rest, **options):
    note("child started: " + module)
    return start(cls, module, *rest, **options)
def reading(self):
    events = read(self)
    for event in events:
        note(event.get("phase") or event["event"])
    return events
worker.Worker.start, worker.Worker.read_events = classmethod(starting), reading
import pixd.cli.main
sys.exit(pixd.cli.main.main(["run"]))
"""
STARTED = "child started: pixd.pix2pix.translator"
PHASES = {
    STARTED: "the translator starts",
    "importing TensorFlow": "it imports TensorFlow",
    "loading the model": "it loads the model",
    "building the model": "it builds the model",
    "compiling the first step": "it compiles",
    "ready": "it is ready",
    "done": "it has translated",
}
OUTPUT, CPU = "the output exists", "processor time"


class Way(NamedTuple):
    """When the image is dropped: seconds after the service was started, or None: before."""

    title: str
    after_s: float | None


def once(folder: ServiceFolder, tree: Path, way: Way, number: int) -> dict[str, float]:
    """Start the service of a tree, drop one image, and return seconds after the drop."""
    name = f"{number:03d}.png"
    noise = Image.effect_noise((folder.px, folder.px), 40).convert("RGB")
    noise.putpixel((0, 0), (number % 256, random.randrange(256), 7))
    noise.save(folder.path / "beside" / name)
    heard = folder.path / "heard"
    heard.unlink(missing_ok=True)

    def drop() -> float:
        (folder.path / "beside" / name).rename(folder.path / "input" / name)
        return time.time()

    dropped_at = drop() if way.after_s is None else 0.0
    service = subprocess.Popen(
        [sys.executable, "-c", PRELUDE],
        cwd=folder.path,
        env=environment_of(tree),
        stderr=subprocess.DEVNULL,
    )
    try:
        if way.after_s is not None:
            time.sleep(way.after_s)
            dropped_at = drop()
        output = folder.path / "output" / name
        while not output.exists():
            if time.time() - dropped_at > LATE_S or service.poll() is not None:
                raise SystemExit(f"{name} has no output")
            time.sleep(0.005)
        ended_at = time.time()
        cpu_s = sum(cpu_by_module(service.pid).values())
    finally:
        service.terminate()
        service.wait()
    found = {OUTPUT: ended_at - dropped_at, CPU: cpu_s}
    for line in heard.read_text().splitlines():
        at, what = json.loads(line)
        if what in PHASES:
            found.setdefault(PHASES[what], at - dropped_at)
    return found


def show(way: Way, seen: dict[str, list[dict[str, float]]]) -> None:
    print(f"-- {way.title}; load {os.getloadavg()[0]:.1f}")
    print(f"{'median seconds after the drop':32}", *(f"{side:>9}" for side in seen))
    medians = {
        side: {
            what: statistics.median(one[what] for one in rounds if what in one)
            for what in (*PHASES.values(), OUTPUT, CPU)
            if any(what in one for one in rounds)
        }
        for side, rounds in seen.items()
    }
    for what in (*PHASES.values(), OUTPUT, CPU):
        cells = (f"{one[what]:9.2f}" if what in one else f"{'-':>9}" for one in medians.values())
        print(f"{what:32}", *cells)
    if len(medians) > 1:
        before, after = medians.values()
        for what in (OUTPUT, CPU):
            print(f"{what}: after / before {after[what] / before[what]:.2f}  (wanted: {WANTED})")
    sys.stdout.flush()


def measure(args: argparse.Namespace, folder: ServiceFolder, trees: dict[str, Path]) -> None:
    ways = [
        Way("dropped right before the service starts", None),
        Way(f"dropped {args.later:g} s after the service started", args.later),
    ]
    seen: dict[str, dict[str, list[dict[str, float]]]] = {
        way.title: {side: [] for side in trees} for way in ways
    }
    number = 0
    for turn in range(args.rounds):
        for way in ways:
            for side in list(trees) if turn % 2 == 0 else reversed(list(trees)):
                number += 1
                seen[way.title][side].append(once(folder, trees[side], way, number))
    for way in ways:
        show(way, seen[way.title])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", help="an earlier commit to compare with")
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--later", type=float, default=20.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixd-cold-") as at:
        folder = ServiceFolder(Path(at), args.size, args.ngf)
        folder.add_pairs()
        folder.run_once()
        if args.before is None:
            measure(args, folder, {"seconds": ROOT})
            return
        with tree_of(args.before) as before:
            measure(args, folder, {"before": before, "after": ROOT})


if __name__ == "__main__":
    main()
