"""What an exported page takes in Chromium, on the processor and on WebGPU: bytes, seconds, agreement.

Beside it the same file in ONNX Runtime for Python, alone and with as many threads: `native_s` is the
median of an image there, and `of_native` how often that the page takes on the processor.

Without a GPU, Chromium's WebGPU is one in software: then its figures tell what is computed, and
nothing about a GPU's speed. Prints what the card of `pixd export --format web --check` has.

    python benchmarks/exported_page.py --runtime onnxruntime-web-1.30.0.tgz --ngf 64
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from pixd.config import web_runtime
from pixd.pix2pix.exports import browser_check, page, runtimes
from pixd.pix2pix.exports.trial import Trial
from pixd.pix2pix.network import hardware, models
from pixd.pix2pix.network.generator import load_generator
from tests.support import chromium
from tests.support.kept import kept

IMAGES = 20  # of whose times the native one is the median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, help="a model's folder (else an untrained one is made)"
    )
    parser.add_argument("--ngf", type=int, default=32, help="of the untrained one")
    parser.add_argument("--size", type=int, default=256, help="of the untrained one, in pixels")
    parser.add_argument("--runtime", help="the browsers' runtime, if none is kept")
    asked = parser.parse_args()
    browser = chromium.chromium()
    if browser is None:
        raise SystemExit(chromium.why_not())
    runtime = web_runtime.find(asked.runtime)
    hardware.choose_device("cpu")
    if asked.model:
        generator = load_generator(asked.model)
    else:
        made = models.build_generator(asked.size, asked.ngf)
        generator = models.for_computing(made, "float32")
    trial = Trial(generator, [], {}, are_held_out=False)
    with tempfile.TemporaryDirectory() as temporary:
        target, scratch = Path(temporary, "page"), Path(temporary, "scratch")
        target.mkdir()
        scratch.mkdir()
        told = page.write(
            kept(generator, scratch),
            trial,
            target,
            card={"pairs": "side-by-side", "image_size": generator.input_shape[1], "steps": 0},
            about={},
            runtime=runtime,
            weights="",
        )
        browser_check.ON_A_GPU = browser_check.IN_SOFTWARE  # where there is no real one
        before = os.getloadavg()[0]
        told["browser"] = browser_check.run(browser, target, trial, scratch)
        told["native_s"] = round(native_s(target, generator.input_shape[1]), 3)
        told["of_native"] = round(told["browser"]["picture_s"] / told["native_s"], 2)
        told["load"] = [round(before, 1), round(os.getloadavg()[0], 1)]
    print(json.dumps(told, indent=1))


def native_s(target: Path, side: int) -> float:
    """Return the median of the seconds that an image takes in ONNX Runtime itself, on all cores."""
    parts = json.loads((target / "page.json").read_text())["model"]["parts"]
    whole = target.parent / "whole.onnx"
    whole.write_bytes(gzip.decompress(b"".join((target / part).read_bytes() for part in parts)))
    run = runtimes.load_onnx(whole).run
    values = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
    took = []
    for _ in range(1 + IMAGES):
        began = time.perf_counter()
        run(values)
        took.append(time.perf_counter() - began)
    return median(took[1:])


if __name__ == "__main__":
    main()
