"""Compares a service that translates many files with the bare network on tensors that are ready.

Usage: python benchmarks/translate_throughput.py [--images 500] [--ngf 64] [--size 256]
[--rounds 2] [--profile]

So many pictures of 256 to 600 pixels (half of them PNG, half JPEG, all with different bytes) are
renamed into the input folder of a running service, one right after the other. The time ends when
the last output exists. The translator is warm, but has translated only one image at a time so far.
So the first round includes the check of each batch size (pixd/pix2pix/inference/batching.py).

The bare loop is the model as `pixd export` writes it, loaded with keras.models.load_model and
called in a tf.function. It has a process of its own that computes only while the service is idle:
before the first round of files, and after each. Of the batches of 1, 2, 4, 8 and 16, the one with
the best median counts.

`--profile` also shows where the time went: the processor time of each process for an image, beside
that of the bare loop (other work on the machine hardly changes it), and the runs' own timings.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fixtures.processes import cpu_by_module
from fixtures.service_folder import PIXD, ServiceFolder
from PIL import Image

from pixd.images.demo_set import facade_pair

SMALLEST_PX, LARGEST_PX = 256, 600
FACADES = 8
BATCHES = (1, 2, 4, 8, 16)
WINDOW_S = 3.0
LATE_S = 120.0  # without a single new output
RATIO = 0.85  # wanted


# -- the bare network, in a child process ----------------------------------------------------


def serve_bare(model: str, size: int) -> None:
    """Time a batch of the size that each line of stdin names; answer with the seconds for each
    image, by the clock and of the processor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import keras  # noqa: PLC0415 - only in the child
    import tensorflow as tf  # noqa: PLC0415

    generator = keras.models.load_model(model, compile=False)
    infer = tf.function(
        lambda images: generator(images, training=False),
        input_signature=[tf.TensorSpec((None, size, size, 3), tf.float32)],
    )
    ready = {batch: tf.random.uniform((batch, size, size, 3), -1, 1) for batch in BATCHES}
    for line in sys.stdin:
        images = ready[int(line)]
        infer(images).numpy()
        done, began, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < WINDOW_S:
            infer(images).numpy()
            done += int(line)
        took_s, used_s = time.perf_counter() - began, time.process_time() - worked
        print(json.dumps((took_s / done, used_s / done)), flush=True)


class Rate(NamedTuple):
    """The speed of a batch of the bare loop: images a second, and processor seconds an image."""

    images_per_s: float
    cpu_s: float


class Bare:
    """The child, and its speed at each batch."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self._found: dict[int, list[list[float]]] = {batch: [] for batch in BATCHES}

    def measure(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        for batch in BATCHES:
            self._child.stdin.write(f"{batch}\n")
            self._child.stdin.flush()
            self._found[batch].append(json.loads(self._child.stdout.readline()))

    @property
    def medians(self) -> dict[int, Rate]:
        medians = {}
        for batch, found in self._found.items():
            image_s, cpu_s = (statistics.median(column) for column in zip(*found, strict=True))
            medians[batch] = Rate(1 / image_s, cpu_s)
        return medians


@contextlib.contextmanager
def bare_loop(folder: ServiceFolder) -> Iterator[Bare]:
    """Export the live model and load it in a child process."""
    exported = folder.path / "exported"
    subprocess.run(
        [*PIXD, "export", "live", str(exported)],
        cwd=folder.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    command = [sys.executable, __file__, "--bare", str(exported / "generator.keras")]
    child = subprocess.Popen(
        [*command, "--size", str(folder.px)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Bare(child)
    finally:
        child.kill()
        child.wait()


# -- the service -----------------------------------------------------------------------------


def draw(folder: Path, facades: list[Image.Image], name: str, count: int) -> list[str]:
    """Write pictures of different sizes and contents; return their names."""
    names = []
    for number in range(count):
        facade = facades[number % len(facades)]
        side = random.randint(SMALLEST_PX, LARGEST_PX)
        left, top = (random.randint(0, LARGEST_PX - side) for _ in range(2))
        picture = facade.crop((left, top, left + side, top + side))
        picture.putpixel((0, 0), (number % 256, number // 256, random.randrange(256)))
        file = f"{name}-{number:04d}.{'jpg' if number % 2 else 'png'}"
        picture.save(folder / file, quality=92)
        names.append(file)
    return names


def drop(folder: ServiceFolder, names: list[str]) -> float:
    """Rename the files into place, wait for all outputs, and return images a second."""
    outputs = folder.path / "output"
    there_before = sum(1 for _ in outputs.iterdir())
    began = moved = time.perf_counter()
    for name in names:
        (folder.path / "beside" / name).rename(folder.path / "input" / name)
    there = 0
    while there < len(names):
        time.sleep(0.02)
        now = sum(1 for _ in outputs.iterdir()) - there_before
        if now > there:
            there, moved = now, time.perf_counter()
        if time.perf_counter() - moved > LATE_S:
            raise SystemExit(f"{there} of {len(names)} outputs, and no other in {LATE_S:.0f} s")
    return len(names) / (time.perf_counter() - began)


def show_profile(folder: ServiceFolder, bare: Rate, cpu: list[dict[str, float]]) -> None:
    print("processor time, ms an image, median")
    print(f"  {'bare loop':28} {1000 * bare.cpu_s:7.1f}")
    for module in cpu[-1]:
        spent = statistics.median(used.get(module, 0.0) for used in cpu)
        print(f"  {module:28} {1000 * spent:7.1f}")
    reader = sqlite3.connect(f"file:{folder.path}/store/lineage.db?mode=ro", uri=True)
    found = reader.execute(
        "SELECT timings FROM run JOIN run_input ON run_input.run_id = run.id"
        " WHERE role = 'image' AND timings IS NOT NULL"
    ).fetchall()
    reader.close()
    timings = [json.loads(text) for (text,) in found]
    print("by the clock, ms an image, median of the runs")
    for stage in ("decode", "infer", "encode"):
        print(f"  {stage:28} {statistics.median(ms[stage] for ms in timings):7.1f}")


def measure(folder: ServiceFolder, args: argparse.Namespace) -> None:
    facades = [facade_pair(seed, LARGEST_PX)[1] for seed in range(FACADES)]
    rates: list[float] = []
    cpu: list[dict[str, float]] = []
    folder.add_pairs()
    folder.run_once()
    with bare_loop(folder) as bare, folder.running() as service:
        for name in draw(folder.path / "beside", facades, "warm", 2):
            drop(folder, [name])
        bare.measure()
        for number in range(args.rounds):
            names = draw(folder.path / "beside", facades, f"round-{number}", args.images)
            os.sync()  # so that these writes do not happen while the service is timed
            before = cpu_by_module(service.pid)
            rates.append(drop(folder, names))
            cpu.append(
                {
                    module: (used - before.get(module, 0.0)) / args.images
                    for module, used in cpu_by_module(service.pid).items()
                }
            )
            bare.measure()
    show(args, rates, bare.medians)
    if args.profile:
        show_profile(folder, best_of(bare.medians), cpu)


def best_of(medians: dict[int, Rate]) -> Rate:
    return max(medians.values())


def show(args: argparse.Namespace, rates: list[float], medians: dict[int, Rate]) -> None:
    for batch, rate in medians.items():
        print(f"bare loop, batch {batch:2}   {rate.images_per_s:7.2f} images/s")
    told = ", ".join(f"{rate:.2f}" for rate in rates)
    service = statistics.median(rates)
    print(f"service, {args.images} files   {service:7.2f} images/s  ({told})")
    ratio = service / best_of(medians).images_per_s
    print(f"service / bare loop   {ratio:7.2f}  (wanted: {RATIO})")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256, help="of the model, pixels")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        serve_bare(args.bare, args.size)
        return
    with tempfile.TemporaryDirectory(prefix="pixd-throughput-") as at:
        measure(ServiceFolder(Path(at), args.size, args.ngf), args)


if __name__ == "__main__":
    main()
