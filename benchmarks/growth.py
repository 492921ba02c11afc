"""Measures what large folders cost: the service's processor time and memory as a folder grows.

Usage: python benchmarks/growth.py [SIZES] [--kinds training equal input] [--before 6279b39]
SIZES: 1000,5000,20000. Each size is a new project whose files are all there when the service
starts. It works until nothing is due (`pixd run --once`), and then once more. The trainer and the
translator are stubs, which take no time; the inspector, the store and the folders are the real ones.

- training: pairs of 128 x 64 px, which differ in everything
- equal: pairs whose halves all have one mean and one contrast, and look like nothing else
- input: images, translated by a model that is there already

Processor time is user and system time. "service" is the service's process alone, "children" are
all that it started. They are read from /proc while it runs. At most 1.3 times the time for each
file is wanted at the largest size compared with the smallest.

--before compares with an earlier commit, at the largest size of `training`; a worktree of it is made
in a temporary folder. At most a quarter of its time is wanted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fixtures.processes import cpu_by_module
from peers.before import environment_of, tree_of
from PIL import Image

ROOT = Path(__file__).parents[1]
PX = 64
DRAWN = 211  # a prime, so that up to 211 ** 2 pairs differ
LINEAR = 1.3
QUARTER = 0.25
LOOK_EVERY_S = 0.2
LONGEST_S = 3600
INSPECTORS = ("pixd.training.dataset.inspector_child", "pixd.inspector")

CONFIG = """\
store: ./store
device: cpu
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
    image_size: 32
    settle_seconds: 0.2
    train: {steps: 2, ngf: 4, ndf: 4, quiet_seconds: 0, promote: always}
"""


class Cost(NamedTuple):
    """What one run of the service cost.

    Attributes:
        service_s: processor time of the service's process.
        inspector_s: of the inspector.
        all_s: of the service and everything that it started.
        memory_mb: the most that the service had in memory.
        wall_s: seconds by the clock.
    """

    service_s: float
    inspector_s: float
    all_s: float
    memory_mb: float
    wall_s: float


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="?", default="1000,5000,20000")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--before", metavar="COMMIT", help="compare with it, such as 6279b39")
    return parser.parse_args()


# -- pictures ---------------------------------------------------------------------------------------


def picture(rng: np.random.Generator, *, is_equal: bool) -> Image.Image:
    """Draw a smooth picture with a little noise; with `is_equal` of one mean and one contrast."""
    small = rng.uniform(0, 255, (5, 5, 3)).astype(np.uint8)
    large = Image.fromarray(small).resize((PX, PX), Image.Resampling.BILINEAR)
    values = np.asarray(large, np.float64) + rng.normal(0, 4, (PX, PX, 3))
    if is_equal:
        values -= values.mean(axis=(0, 1))
        values = 128 + 25 * values / np.abs(values).mean()
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def draw(folder: Path, count: int, *, is_pair: bool, is_equal: bool = False) -> None:
    """Draw different pictures, each made of two out of a few hundred: drawing takes long."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    drawn = [picture(rng, is_equal=is_equal) for _ in range(DRAWN)]
    for number in range(count):
        first, second = drawn[number % DRAWN], drawn[(number // DRAWN + 7 * number) % DRAWN]
        if is_pair:
            image = Image.new("RGB", (2 * PX, PX))
            image.paste(first, (0, 0))
            image.paste(second, (PX, 0))
        else:
            image = Image.blend(first, second, 0.4)
        image.save(folder / f"{number:06d}.png", compress_level=1)


def record(at: Path, count: int) -> None:
    draw(at / "input", count, is_pair=True)


def training(at: Path, count: int) -> None:
    draw(at / "training", count, is_pair=True)


def equal(at: Path, count: int) -> None:
    draw(at / "training", count, is_pair=True, is_equal=True)


def inputs(at: Path, count: int) -> None:
    draw(at / "training", 10, is_pair=True)
    run(at, ROOT)  # so that there is a model
    draw(at / "input", count, is_pair=False)


KINDS = {"record": record, "training": training, "equal": equal, "input": inputs}


# -- measuring --------------------------------------------------------------------------------------


@contextlib.contextmanager
def project() -> Iterator[Path]:
    """Make the folders of a pipeline for the block."""
    with tempfile.TemporaryDirectory(prefix="pixd-growth-", dir=os.environ.get("TMPDIR")) as name:
        at = Path(name)
        for folder in ("training", "input", "output"):
            (at / folder).mkdir()
        (at / "config.yaml").write_text(CONFIG)
        yield at


def run(at: Path, tree: Path) -> Cost:
    """Let the service of a tree, with stubs for the networks, work until nothing is due."""
    began = time.perf_counter()
    with (at / "log").open("ab") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.stubbed", "run", "--once"],
            cwd=at, env=environment_of(tree), stdout=log, stderr=log,
        )  # fmt: skip
    used: dict[str, float] = {}
    memory = 0
    while time.perf_counter() - began < LONGEST_S:
        pid, status, spent = os.wait4(service.pid, os.WNOHANG)
        if pid:
            break
        for module, seconds in cpu_by_module(service.pid).items():
            used[module] = max(used.get(module, 0.0), seconds)
        with contextlib.suppress(OSError):  # it ended meanwhile
            about = Path(f"/proc/{service.pid}/status").read_text()
            memory = max(
                memory, int(about.split("VmHWM:")[1].split()[0]) if "VmHWM" in about else 0
            )
        time.sleep(LOOK_EVERY_S)
    else:
        service.kill()
        raise SystemExit(f"the service took more than {LONGEST_S} s; see {at / 'log'}")
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the service failed: {(at / 'log').read_text()[-2000:]}")
    inspector = max(used.get(module, 0.0) for module in INSPECTORS)
    return Cost(
        used["tests.faults.stubbed"],
        inspector,
        spent.ru_utime + spent.ru_stime,
        memory / 1000,
        time.perf_counter() - began,
    )


def line(what: str, count: int, cost: Cost) -> str:
    return (
        f"{what:18} {count:7,} {cost.service_s:9.2f} {cost.inspector_s:9.2f} {cost.all_s:9.2f}"
        f" {1e6 * cost.service_s / count:10.0f} {cost.memory_mb:8.1f} {cost.wall_s:8.1f}"
    )


HEADER = f"{'':18} {'files':>7} {'service s':>9} {'inspector':>9} {'all s':>9} {'us a file':>10} {'MB':>8} {'clock s':>8}"


def measure(kind: str, sizes: list[int]) -> dict[int, tuple[Cost, Cost]]:
    costs: dict[int, tuple[Cost, Cost]] = {}
    for count in sizes:
        with project() as at:
            KINDS[kind](at, count)
            first = run(at, ROOT)
            print(line(kind, count, first), flush=True)
            again = run(at, ROOT)
            print(line(f"{kind}, again", count, again), flush=True)
            costs[count] = first, again
    return costs


def growth(what: str, costs: dict[int, float]) -> None:
    """Print how much more a file costs at the largest size than at the smallest."""
    few, many = min(costs), max(costs)
    ratio = (costs[many] / many) / (costs[few] / few)
    print(f"{what:58} {ratio:6.2f}  (at most {LINEAR})")


def compare(commit: str, count: int) -> None:
    """Let an earlier commit and this tree look at the same pairs."""
    costs: dict[str, Cost] = {}
    with tree_of(commit) as before, project() as at:
        training(at, count)
        for name, tree in (("after", ROOT), ("before", before)):
            costs[name] = run(at, tree)
            print(line(name, count, costs[name]), flush=True)
            shutil.rmtree(at / "store")
    for what in ("service_s", "all_s", "wall_s"):
        ratio = getattr(costs["after"], what) / getattr(costs["before"], what)
        print(f"{what:10} after / before {ratio:6.3f}  (at most {QUARTER} wanted by the clock)")


def main() -> None:
    args = arguments()
    sizes = [int(size) for size in args.sizes.split(",")]
    print(HEADER)
    found = {} if args.before else {kind: measure(kind, sizes) for kind in args.kinds}
    for kind, costs in found.items():
        growth(f"{kind}: service, a file", {n: first.service_s for n, (first, _) in costs.items()})
        growth(f"{kind}: all, a file", {n: first.all_s for n, (first, _) in costs.items()})
    if "record" in found and "training" in found:
        for count in sizes:
            looked, recorded = found["training"][count][0], found["record"][count][0]
            share = (looked.service_s - recorded.service_s) / looked.inspector_s
            print(
                f"{count:7,} pairs: looking takes the service {share:.3f} of the inspector's time"
            )
    if args.before:
        compare(args.before, max(sizes))


if __name__ == "__main__":
    main()
