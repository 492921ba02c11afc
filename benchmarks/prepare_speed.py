"""Compares the speed of `pixd prepare resize` with the usual loop over Pillow.

Usage: python benchmarks/prepare_speed.py [--photos 2000] [--rounds 3]

The photos are JPEGs of 1000 x 750 px, made from a few of the demo's facades. Each has its own noise
and brightness, so that the files are as large as a camera's. Both sides cut the middle square out
of each, resize it to 256 px with the same filter and save a PNG of the same compression level. The
start of Python counts on both sides. The loop is one process. It reads no ICC profile, hashes
nothing, does not handle damaged files, and syncs nothing to the disk. `pixd prepare` does all that,
in as many processes as there are cores. The two take turns; the order changes from round to round.

Processor time is printed beside the time by the clock, because other work on the machine hardly
changes it. With `--again`, the same command is also timed a second time, when it has nothing to do.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pixd.images.demo_set import facade_pair
from pixd.images.png import PNG_STRATEGY
from pixd.system import machine

WIDTH, HEIGHT = 1000, 750
SIZE = 256
FACADES = 6
RATIO = 1.5  # wanted

LOOP = f"""
import sys
from pathlib import Path
from PIL import Image, ImageOps
source, out = map(Path, sys.argv[1:])
out.mkdir()
for path in sorted(source.iterdir()):
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
    image = ImageOps.fit(image, ({SIZE}, {SIZE}), Image.Resampling.BICUBIC)
    image.save(out / (path.stem + ".png"), compress_type={PNG_STRATEGY})
"""


def make_photos(folder: Path, count: int) -> None:
    """Draw `count` JPEGs, no two alike."""
    rng = np.random.default_rng(0)
    whole = [np.asarray(facade_pair(seed, WIDTH)[1], np.int16) for seed in range(FACADES)]
    facades = [picture[WIDTH - HEIGHT :] for picture in whole]
    noise = rng.normal(0, 6, (HEIGHT, WIDTH, 3)).astype(np.int16)
    for number in range(count):
        grain = np.roll(noise, tuple(rng.integers(0, HEIGHT, 2)), (0, 1))
        lit = facades[number % FACADES] + grain + int(rng.integers(-30, 30))
        picture = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
        picture.save(folder / f"{number:05}.jpg", quality=90)


def timed(command: list[str], out: Path, count: int) -> tuple[float, float]:
    """Run a command that fills `out`; return its seconds, and those of the processor."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()  # so that this side does not wait for the other side's writes
    began, used_s = time.perf_counter(), processor_s()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took_s, used_s = time.perf_counter() - began, processor_s() - used_s
    assert sum(1 for _ in out.glob("*.png")) == count
    return took_s, used_s


def processor_s() -> float:
    """Return the processor time of all children that have ended, and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--again", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pixd-prepare-") as temporary:
        source, out = Path(temporary, "photos"), Path(temporary, "out")
        source.mkdir()
        make_photos(source, args.photos)
        size_kb = sum(path.stat().st_size for path in source.iterdir()) / args.photos / 1000
        print(f"{args.photos} JPEGs of {WIDTH} x {HEIGHT} px, {size_kb:.0f} kB each;"
              f" {machine.available()} cores")  # fmt: skip
        options = [str(source), str(out), "--size", str(SIZE), "--fit", "crop"]
        sides = {
            "loop": [sys.executable, "-c", LOOP, str(source), str(out)],
            "pixd": [sys.executable, "-m", "pixd", "prepare", "resize", *options],
        }
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        again: list[float] = []
        for number in range(args.rounds):
            for name in sorted(sides, reverse=bool(number % 2)):
                seen[name].append(timed(sides[name], out, args.photos))
                if name == "pixd" and args.again:
                    began = time.perf_counter()
                    subprocess.run(sides[name], check=True, stdout=subprocess.DEVNULL)
                    again.append(time.perf_counter() - began)
    median: dict[str, float] = {}
    for name, rounds in seen.items():
        median[name] = statistics.median(took for took, _ in rounds)
        used_s = statistics.median(used for _, used in rounds)
        each = ", ".join(f"{took:.1f}" for took, _ in rounds)
        print(f"{name}: {each} s; of the processor {used_s:.1f} s")
    if again:
        print(f"pixd again, nothing to do: {statistics.median(again):.1f} s")
    ratio = median["loop"] / median["pixd"]
    print(f"loop / pixd, medians: {ratio:.2f} (at least {RATIO} wanted)")
    return int(ratio < RATIO)


if __name__ == "__main__":
    sys.exit(main())
