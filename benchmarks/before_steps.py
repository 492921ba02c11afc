"""Measures what a change of the code costs one translation and one update: an earlier commit and this tree.

Usage: python benchmarks/before_steps.py --commit REF [--what translate train] [--ngf 64] [--size 256]
[--batch 1 8] [--precision float32 bfloat16] [--rounds 8] [--window 3.0]

Each side is a process that imports pixd from its own tree, has the networks of one seed, and
computes only while it is asked to. The two take turns, and each round reverses the order, because a
machine that others use too changes its speed within minutes. A window lasts so many seconds, and at
least two steps. The ratio is that of the medians, after / before; beside it are the lowest and the
highest ratio of a round. Whether both sides gave the same bytes is said too: of the translation of
one image of noise, and of the weights after three updates. Where other work keeps the cores busy,
trust the processor time, and let it be one thread: taskset -c 0 python benchmarks/before_steps.py ...
Threads that wait for each other use the processor too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers.before import environment_of, tree_of

ROOT = Path(__file__).parents[1]
UPDATES = 3
FORMER_PLACES = {
    **{name: name for name in ("hardware", "losses", "models", "steps")},
    "generator": "generation",
}
"""Names in `pixd.pix2pix.network`, and what the same modules were called in `pixd.pix2pix`."""


# -- a side, in a child process --------------------------------------------------------------


def serve(args: argparse.Namespace) -> None:
    """Take the steps of each line of stdin; answer with the seconds of one, by the clock and of the
    processor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    know_former_places()
    from pixd.pix2pix.network import hardware  # noqa: PLC0415 - only in the child

    device = hardware.choose_device("cpu")
    (precision,) = args.precision
    policy = hardware.choose_policy(precision, device)
    if args.what == ["train"] and hasattr(hardware, "keep_order"):
        hardware.keep_order(device, policy)
    make = translating if args.what == ["translate"] else training
    step, digest = make(args, policy)
    print(json.dumps(digest), flush=True)
    for line in sys.stdin:
        step()
        done, began, worked = 0, time.perf_counter(), time.process_time()
        while done < 2 or time.perf_counter() - began < float(line):
            step()
            done += 1
        took, used = time.perf_counter() - began, time.process_time() - worked
        print(json.dumps((took / done, used / done)), flush=True)


def know_former_places() -> None:
    """Let the modules of a tree from before `pixd.pix2pix.network` be imported from there."""
    if find_spec("pixd.pix2pix.network"):
        return
    network = sys.modules["pixd.pix2pix.network"] = types.ModuleType("pixd.pix2pix.network")
    for name, former in FORMER_PLACES.items():
        module = import_module(f"pixd.pix2pix.{former}")
        sys.modules[f"{network.__name__}.{name}"] = module
        setattr(network, name, module)


def translating(args: argparse.Namespace, policy: str) -> tuple[Callable[[], Any], str]:
    import numpy as np  # noqa: PLC0415

    from pixd.pix2pix.network.generator import make_generate  # noqa: PLC0415
    from pixd.pix2pix.network.models import build_generator, for_computing  # noqa: PLC0415

    generator = build_generator(args.size, args.ngf)
    if find_spec("pixd.pix2pix.inference") and find_spec("pixd.pix2pix.inference.engines"):
        generate: Any = engine_of(generator, args.precision[0])
    else:
        generate = make_generate(for_computing(generator, policy))
    (batch,) = args.batch
    noise = np.random.default_rng(0).integers(0, 256, (batch, args.size, args.size, 3), np.uint8)
    images = list(noise)
    (alone,) = generate(images[:1])
    together = generate(images)[0]
    same = "" if np.array_equal(alone, together) else ", other bytes in a batch"
    return lambda: generate(images), hashlib.sha256(alone.tobytes()).hexdigest()[:12] + same


def engine_of(generator: Any, precision: str) -> Any:
    """Return what a translator of this tree would run the generator with."""
    from pixd.pix2pix.inference import engines  # noqa: PLC0415 - not every tree has it
    from pixd.pix2pix.network.generator import save_model  # noqa: PLC0415
    from pixd.system.children.spec import TranslateSpec  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        save_model(generator, Path(folder), {})
        spec = TranslateSpec(
            run_id="", scratch=folder, model=folder, files={}, recipe={"sample": False},
            device="cpu", precision=precision, batch=8,
        )  # fmt: skip
        return engines.load(spec, lambda _said: None)


def training(args: argparse.Namespace, policy: str) -> tuple[Callable[[], Any], str]:
    import tensorflow as tf  # noqa: PLC0415

    from pixd.pix2pix.network import hardware  # noqa: PLC0415
    from pixd.pix2pix.network.losses import LossWeights  # noqa: PLC0415
    from pixd.pix2pix.network.models import (  # noqa: PLC0415
        build_discriminator,
        build_generator,
        for_computing,
    )
    from pixd.pix2pix.network.steps import make_networks, make_train_step  # noqa: PLC0415

    hardware.make_deterministic(0)
    models = (build_generator(args.size, args.ngf), build_discriminator(args.size, args.ngf))
    networks = make_networks(
        *(for_computing(model, policy) for model in models), learning_rate=2e-4, beta_1=0.5
    )
    (batch,) = args.batch
    shape = (batch, args.size, args.size, 3)
    pair = [tf.random.uniform(shape, -1, 1, seed=seed) for seed in (1, 2)]
    update = make_train_step(networks, LossWeights())

    def step() -> None:
        update(*pair).numpy()

    for _ in range(UPDATES):
        step()
    digest = hashlib.sha256()
    for variable in networks.generator.variables:
        digest.update(variable.numpy().tobytes())
    return step, digest.hexdigest()[:12]


class Side:
    """The child of one tree."""

    def __init__(self, tree: Path, options: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", *options],
            cwd=tree,
            env=environment_of(tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.digest = self._answer()

    def take(self, window_s: float) -> tuple[float, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{window_s}\n")
        self._process.stdin.flush()
        by_clock, of_processor = self._answer()
        return float(by_clock), float(of_processor)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a side ended with {self._process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


# -- taking turns ----------------------------------------------------------------------------


def compare(trees: list[Path], options: list[str], rounds: int, window_s: float) -> str:
    """Return a line about one setting."""
    sides = [Side(tree, options) for tree in trees]  # one after the other
    try:
        took: list[list[tuple[float, float]]] = [[], []]
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                took[which].append(sides[which].take(window_s))
    finally:
        for side in sides:
            side.end()
    digests = [side.digest for side in sides]
    same = "the same bytes" if digests[0] == digests[1] else f"other bytes {digests}"
    return "\n".join(
        [
            told("by the clock", *([clock for clock, _ in seconds] for seconds in took)),
            told("processor", *([used for _, used in seconds] for seconds in took)),
            f"    {same}; load {os.getloadavg()[0]:.1f}",
        ]
    )


def told(what: str, before: list[float], after: list[float]) -> str:
    ratios = sorted(b / a for a, b in zip(before, after, strict=True))
    first, last = statistics.median(before), statistics.median(after)
    return (
        f"    {what:14} {1000 * first:8.1f} {1000 * last:8.1f} ms  ratio {last / first:.3f}"
        f"  (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}; least {min(after) / min(before):.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", help="the earlier one, such as HEAD~3")
    parser.add_argument("--what", nargs="+", default=["translate", "train"])
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--window", type=float, default=3.0, help="seconds")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args)
        return
    if args.commit is None:
        print("nothing to compare with: name a commit, --commit REF")
        return
    with tree_of(args.commit) as before:
        print(f"{'':18} {args.commit:>8.8} {'here':>8}")
        for what in args.what:
            for precision in args.precision:
                for batch in args.batch:
                    given = {
                        "what": what, "precision": precision, "batch": batch,
                        "ngf": args.ngf, "size": args.size,
                    }  # fmt: skip
                    options = [f"--{name}={value}" for name, value in given.items()]
                    print(f"{what}, {precision}, batch {batch}", flush=True)
                    print(compare([before, ROOT], options, args.rounds, args.window), flush=True)


if __name__ == "__main__":
    main()
