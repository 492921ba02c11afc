"""What runs a model on a processor: ONNX Runtime and TensorFlow, each in processes of its own.

Usage: python benchmarks/translator_engines.py [--ngf 64] [--size 256] [--rounds 3]

A generator that was not trained is saved once. Each process loads it as a translator does, from
the imports on, translates a first image, and then some more alone and in batches of 8. Told are
medians over the rounds, in which both take turns: seconds and processor seconds from the start of
the process to the first image, memory of the process then (peak, and what stays), and processor
milliseconds an image. Where other work keeps the cores busy, trust the processor time, and let it be
one core: taskset -c 0 python benchmarks/translator_engines.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ENGINES = ("ONNX Runtime", "TensorFlow")
IMAGES = 8
REPEATS = 6


def serve(name: str, folder: Path, began: float) -> dict[str, float]:
    """Load the model of a folder, translate, and return what that took."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from pixd.system.children.spec import TranslateSpec  # noqa: PLC0415 - counted

    spec = TranslateSpec(
        scratch=str(folder), model=str(folder), files={}, recipe={"sample": False}, device="cpu",
        precision="float32", batch=IMAGES,
    )  # fmt: skip
    if name == "TensorFlow":
        from pixd.pix2pix.inference.keras_engine import KerasEngine  # noqa: PLC0415

        engine: Any = KerasEngine(spec)
    else:
        from pixd.pix2pix.inference import engines  # noqa: PLC0415

        engine = engines.load(spec, lambda _said: None)
    import numpy as np  # noqa: PLC0415

    shape = (IMAGES, engine.size, engine.size, 3)
    images = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    engine(images[:1])
    found = {
        "first image, s": time.time() - began,
        "of the processor, s": time.process_time(),
        "memory at most, MB": memory_mb("VmHWM"),
        "memory then, MB": memory_mb("VmRSS"),
    }
    for count in (1, IMAGES):
        engine(images[:count])
        spent = []
        for _ in range(REPEATS):
            before = time.process_time()
            engine(images[:count])
            spent.append((time.process_time() - before) / count)
        found[f"an image, {count} at once, ms"] = 1000 * statistics.median(spent)
    return found


def memory_mb(key: str) -> float:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)
    )
    return int(line.split()[1]) / 1000


def save(folder: Path, size: int, ngf: int) -> None:
    """Save a generator, in a process of its own: this one then has nothing loaded."""
    code = (
        "import sys; from pathlib import Path; from pixd.pix2pix.network import generator, models;"
        f"generator.save_model(models.build_generator({size}, {ngf}), Path(sys.argv[1]), {{}})"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        print(json.dumps(serve(args.serve, args.model, args.began)))
        return
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        save(folder, args.size, args.ngf)
        for number in range(args.rounds):
            for engine in ENGINES[:: -1 if number % 2 else 1]:
                words = ["--serve", engine, "--model", str(folder), "--began", str(time.time())]
                done = subprocess.run(
                    [sys.executable, __file__, *words],
                    check=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                seen[engine].append(json.loads(done.stdout))
    print(f"{'':26}{ENGINES[0]:>14}{ENGINES[1]:>14}{'ratio':>8}")
    for what in seen[ENGINES[0]][0]:
        one, other = (statistics.median(row[what] for row in seen[name]) for name in ENGINES)
        print(f"{what:26}{one:14.4g}{other:14.4g}{one / other:8.2f}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
