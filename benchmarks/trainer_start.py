"""Measures how soon a training makes its first step, beside an earlier commit.

Usage: python benchmarks/trainer_start.py [--commit HEAD~1] [--rounds 5] [--ngf 64] [--size 256]
[--precision float32]

Trainers of both trees start in turns, each in a new interpreter, with the same pairs and settings, and
are ended after the first step. Shown are seconds from the start of the process, and processor seconds:
until TensorFlow is imported, and until the first step is made. Medians, and the ratio of each round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fixtures import pixd_training
from fixtures.processes import cpu_s
from peers.before import environment_of, tree_of

ROOT = Path(__file__).parents[1]
IMPORTING = "importing TensorFlow"


class Start(NamedTuple):
    """Seconds from the start of the process, and how much of the processor it had until the end."""

    imported_s: float
    first_step_s: float
    processor_s: float


def main() -> None:
    """Measure and print."""
    parser = pixd_training.parser_of()
    parser.set_defaults(precision=["float32"])
    parser.add_argument("--commit", default="HEAD~1")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixd-start-") as name, tree_of(args.commit) as before:
        (Path(name) / "pairs").mkdir()
        pairs = pixd_training.draw_pairs(Path(name) / "pairs", args.size)
        for precision in args.precision:
            measure(args, [before, ROOT], pairs, precision, Path(name))


def measure(
    args: argparse.Namespace,
    trees: list[Path],
    pairs: list[dict[str, object]],
    precision: str,
    folder: Path,
) -> None:
    """Print one precision."""
    starts: tuple[list[Start], list[Start]] = ([], [])
    for number in range(args.rounds):
        sides = list(zip(trees, starts, strict=True))
        for tree, found in sides if number % 2 == 0 else reversed(sides):
            at = folder / f"{precision}-{number}-{len(starts[0]) + len(starts[1])}"
            at.mkdir()
            command = pixd_training.command_of(
                at, pairs, size=args.size, ngf=args.ngf, batch=1, precision=precision
            )
            found.append(started(command, tree, at))
    print(f"{precision}, {args.size} px, ngf {args.ngf}, {args.rounds} rounds")
    print(f"{'':24} {args.commit[:12]:>12} {'this tree':>12}   ratios")
    for what, values in zip(
        ("until imported, s", "until the first step, s", "processor, s"),
        zip(*(zip(*side, strict=True) for side in starts), strict=True),
        strict=True,
    ):
        before, now = values
        ratios = sorted(b / a for a, b in zip(before, now, strict=True))
        print(
            f"{what:24} {statistics.median(before):12.2f} {statistics.median(now):12.2f}   "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def started(command: list[str], tree: Path, at: Path) -> Start:
    """Start a trainer, wait for its first step, and end it."""
    began = time.perf_counter()
    imported_s = 0.0
    with (
        (at / "log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=at,  # `-m` looks there first, so it must be in neither tree
            env=environment_of(tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            now_s = time.perf_counter() - began
            if event["event"] == "phase" and event["phase"] != IMPORTING:
                imported_s = imported_s or now_s
            if event["event"] == "progress":
                used_s = cpu_s(process.pid)
                process.kill()
                return Start(imported_s, now_s, used_s)
    raise SystemExit("the training ended: " + (at / "log").read_text())


if __name__ == "__main__":
    main()
