"""Measures what a change of the code costs: benchmarks of an earlier commit and of this tree.

Usage: python benchmarks/peers/before.py [--commit 6279b39] [--rounds 2] [--only NAME ...] [--short]

Each side runs the benchmark files of its own tree, with its own pixd, in a process of its own. The
two take turns, and each round reverses the order, because a machine that others use too changes its
speed within minutes. The earlier tree is a git worktree in a temporary folder. For each figure, the
medians over the rounds and after / before are printed. The sizes are smaller than if a benchmark
runs alone, so that everything takes about ten minutes on two cores. The idle service and the
training step take one round. --short only shows that everything runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COMMIT = "6279b39"  # the last one before the modules were moved
GIT = ("git", "-C", str(ROOT))
TIMEOUT_S = 600


FEWER_INPUTS = "bench.INPUTS = 5_000\n"  # recording 50,000 takes minutes
# The `pixd` program beside the Python belongs to one tree, so each side gets a program of its own.
INSTALLED = """
seconds = bench.seconds
bench.seconds = lambda words: seconds(
    [program, *words[1:]] if words[0].endswith("pixd") else words
)
"""


class Benchmark(NamedTuple):
    """How one benchmark is run, and what of its output is compared.

    Attributes:
        words: its arguments.
        short: its arguments with --short.
        figures: a pattern for each figure, whose last group is the number.
        prelude: Python lines before it; `bench` is its module, `program` the side's `pixd`.
        rounds: the largest number of rounds that is worth the time.
    """

    words: str
    short: str
    figures: dict[str, str]
    prelude: str = ""
    rounds: int = 9


class Side(NamedTuple):
    """One of the two trees, and its `pixd` as a program."""

    tree: Path
    program: Path


def _latency(what: str) -> dict[str, str]:
    line = rf"{re.escape(what)} .*?: median ([\d.]+) s"
    return {
        f"{what}: median, s": line,
        f"{what}: p95, s": line + r", p95 ([\d.]+)",
        f"{what}: beyond the translator, median, s": line + r".*?own time median ([\d.]+)",
    }


BENCHMARKS = {
    "status_speed": Benchmark(
        "",
        "",
        {
            "pixd status, ms": r"pixd status +median +([\d.]+)",
            "pixd status / import sqlite3": r"ratio, pair by pair +median +([\d.]+)",
        },
        prelude=FEWER_INPUTS + INSTALLED,
    ),
    "drop_latency": Benchmark(
        "30 256 32",
        "3 64 8",
        {
            **_latency("pixd, renamed into place"),
            **_latency("pixd, closed after writing"),
            **_latency("pixd, renamed, a training runs"),
        },
        prelude="bench.measure_naive = lambda *_: None",  # it is not part of either side
    ),
    "service_cost": Benchmark(
        "60",
        "5 20",
        {
            "processor, % of a core": r"processor +([\d.]+) %",
            "memory at first, MB": r"at first +([\d.]+) MB",
            "memory at the end, MB": r"at the end +([\d.]+) MB",
            "descriptors at the end": r"at the end .*?(\d+) descriptors",
            "threads at the end": r"at the end .*?(\d+) threads",
        },
        rounds=1,
    ),
    "train_step": Benchmark(
        "--ngf 32 --batch 1 --precision float32 --steps 6 --rounds 3",
        "--ngf 4 --size 64 --batch 1 --precision float32 --steps 2 --rounds 1",
        {
            "training, images/s": r"training / bare loop +([\d.]+) /",
            "bare loop, images/s": r"training / bare loop +[\d.]+ / ([\d.]+)",
            "training / bare loop": r"training / bare loop .*ratio +([\d.]+)",
        },
        rounds=1,
    ),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", default=COMMIT)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="one round of the smallest sizes")
    return parser.parse_args()


@contextlib.contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Make a worktree of a commit for the block, and compile both trees.

    Else the new tree would be compiled at each start where PYTHONDONTWRITEBYTECODE is set.
    """
    with tempfile.TemporaryDirectory(prefix="pixd-before-") as name:
        tree = Path(name) / "tree"
        subprocess.run([*GIT, "worktree", "add", "-q", "--detach", str(tree), commit], check=True)
        compiled = [tree / "pixd", ROOT / "pixd"]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *compiled], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*GIT, "worktree", "remove", "--force", str(tree)], check=False)


def program_of(tree: Path, at: Path) -> Path:
    """Write the program that an installation of a tree would have."""
    scripts = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["pixd"].split(":")
    at.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    at.chmod(0o755)
    subprocess.run(
        [at, "--version"], env=environment_of(tree), stdout=subprocess.DEVNULL, check=True
    )
    return at


def environment_of(tree: Path) -> dict[str, str]:
    """Return the environment in which a process, and every process it starts, imports that tree."""
    return {**os.environ, "PYTHONPATH": str(tree)}


def run(side: Side, name: str, words: str, prelude: str) -> str:
    """Run a side's own benchmark on its own pixd; return what it printed."""
    lines = (
        "import sys",
        f"sys.path.insert(0, {str(side.tree / 'benchmarks')!r})",
        f"import {name} as bench",
        f"program = {str(side.program)!r}",
        prelude,
        "bench.main()",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), *words.split()],
        cwd=side.tree,
        env=environment_of(side.tree),
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    return done.stdout


def figures_in(text: str, benchmark: Benchmark) -> dict[str, float]:
    """Return each figure. If one is missing, its pattern is out of date, and the run ends."""
    found = {what: re.search(pattern, text) for what, pattern in benchmark.figures.items()}
    missing = [what for what, match in found.items() if match is None]
    if missing:
        raise SystemExit(f"not printed: {', '.join(missing)}; printed was:\n{text}")
    return {what: float(match.groups()[-1]) for what, match in found.items() if match}


def compare(name: str, sides: dict[str, Side], rounds: int, *, is_short: bool) -> None:
    benchmark = BENCHMARKS[name]
    words = benchmark.short if is_short else benchmark.words
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for number in range(min(rounds, benchmark.rounds)):
        for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
            text = run(sides[side], name, words, benchmark.prelude)
            seen[side].append(figures_in(text, benchmark))
    print(f"== {name} {words}".rstrip())
    print(f"{'':58} {'before':>9} {'after':>9} {'ratio':>6}")
    for what in benchmark.figures:
        before, after = (
            statistics.median(one[what] for one in seen[side]) for side in ("before", "after")
        )
        ratio = f"{after / before:6.2f}" if before else f"{'-':>6}"
        print(f"{what:58} {before:9.3f} {after:9.3f} {ratio}", flush=True)


def main() -> None:
    args = arguments()
    known = subprocess.run(
        [*GIT, "cat-file", "-e", f"{args.commit}^{{commit}}"],
        capture_output=True,
        check=False,
    )
    if known.returncode:
        print(f"this tree has no history with {args.commit}: nothing to compare with")
        return
    with tree_of(args.commit) as before, tempfile.TemporaryDirectory() as programs:
        sides = {
            name: Side(tree, program_of(tree, Path(programs) / name))
            for name, tree in (("before", before), ("after", ROOT))
        }
        for name in args.only:
            rounds = 1 if args.short else args.rounds
            compare(name, sides, rounds, is_short=args.short)


if __name__ == "__main__":
    main()
