"""Records how the held-out scores of a long training go, raw weights beside averaged ones.

Usage: python benchmarks/quality/learning_history.py PAIRS OUT.jsonl --steps 12000 [--direction BtoA]
[--size 128] [--ngf 32] [--seed 0] [--every 100] [--threads 1] [--limit 400]

PAIRS is a folder of pictures with both halves side by side. Every eleventh by name is held out. The
training is pixd's: its networks, its update, its input, its seed. Beside it, generators with averaged
weights are kept, one for each decay, and all are scored at the same steps. One line of JSON is added
for each step that is scored. `patience_replay.py` asks of these lines where a rule would have stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf

from pixd.pix2pix.learning import evaluation
from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.input_pipeline import Prefetcher, TrainingPairs
from pixd.pix2pix.learning.training_loop import build_networks
from pixd.pix2pix.network import hardware
from pixd.pix2pix.network.generator import make_inference
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.models import FLOAT32, build_generator, for_computing
from pixd.pix2pix.network.steps import make_train_step, tensors_of

HELD_OUT_EVERY = 11
DECAYS = (0.998, 0.9995)  # of one step
AVERAGED_EVERY = 5  # steps: an average of so long a memory is the same, at a fifth of the price
KEPT = ("l1", "psnr", "ssim", "sharpness", "coarse_sharpness", "collapsed", "identity_like")


def main() -> None:
    """Train, and write what the held-out pairs say."""
    args = arguments()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    hardware.make_deterministic(args.seed)
    recipe = recipe_of(args)
    train, held_out = split(args.pairs, args.limit)
    networks = build_networks(recipe, FLOAT32)
    averages = [_Average(networks.generator, recipe, decay) for decay in DECAYS]
    pairs = TrainingPairs(train, recipe)
    judged = HeldOut(held_out, recipe, args.size, lambda: None)
    step_of = make_train_step(networks, LossWeights(gan=1.0, l1=100.0), None)
    infer = make_inference(networks.generator)
    update = _together(networks.generator, averages)
    baselines = evaluation.baselines_of(judged, HeldOut(train, recipe, args.size, lambda: None))
    step, started = 0, time.process_time()
    with args.out.open("w", encoding="utf-8") as out:
        _tell(out, {"pairs": len(train), "held_out": len(held_out), "baselines": baselines})
        with Prefetcher(pairs, start=0, steps=args.steps) as batches:
            for batch in batches:
                losses = step_of(*(tf.constant(half) for half in batch)).numpy().tolist()
                step += 1
                if step % AVERAGED_EVERY == 0:
                    update(tf.constant(step, tf.float32))
                if step % args.every:
                    continue
                told: dict[str, Any] = {"step": step, "losses": losses}
                told["raw"] = _scores(infer, judged)
                for average in averages:
                    told[f"{average.decay}"] = _scores(average.infer, judged)
                told["processor_s"] = round(time.process_time() - started, 1)
                _tell(out, told)


class _Average:
    """A generator whose weights are an exponential average of another's."""

    def __init__(self, generator: Any, recipe: dict[str, Any], decay: float) -> None:
        self.decay = decay
        twin = build_generator(recipe["image_size"], recipe["ngf"], channels=(3, 3), seed=0)
        self._twin = for_computing(twin, FLOAT32)
        self.weights = tensors_of(self._twin.trainable_variables)
        for mine, theirs in zip(
            self.weights, tensors_of(generator.trainable_variables), strict=True
        ):
            mine.assign(theirs)
        self.infer = make_inference(self._twin)


def _together(generator: Any, averages: list[_Average]) -> Any:
    raw = tensors_of(generator.trainable_variables)

    def update(step: Any) -> None:
        for average in averages:
            # Young averages forget faster, or the first noise would stay in them for long.
            decay = tf.minimum(average.decay, (1.0 + step) / (10.0 + step))
            share = 1.0 - decay**AVERAGED_EVERY
            for mine, theirs in zip(average.weights, raw, strict=True):
                mine.assign_add(share * (theirs - mine))

    return tf.function(update, autograph=False)


def _scores(infer: Any, held_out: HeldOut) -> dict[str, Any]:
    scores = evaluation.validate(infer, held_out, evaluation.VALIDATION_PAIRS, compares=True)
    kept = {name: scores[name] for name in KEPT}
    kept["z"] = (scores["others"] or {}).get("z")
    return kept


def split(folder: Path, limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the pairs to train on and those held out, as a run spec names them."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".png", ".jpg"})[:limit]
    pairs = [{"name": path.name, "images": [str(path)]} for path in paths]
    kept_back = pairs[::HELD_OUT_EVERY]
    return [pair for at, pair in enumerate(pairs) if at % HELD_OUT_EVERY], kept_back


def recipe_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the training; pixd's defaults but for what was asked for."""
    return {
        "pairs": "side-by-side",
        "direction": args.direction,
        "image_size": args.size,
        "fit": "pad",
        "epochs": None,
        "steps": args.steps,
        "batch_size": 1,
        "ngf": args.ngf,
        "ndf": args.ngf,
        "learning_rate": 2e-4,
        "beta_1": 0.5,
        "jitter": True,
        "flip": True,
        "seed": args.seed,
    }


def _tell(out: Any, row: dict[str, Any]) -> None:
    out.write(json.dumps(row) + "\n")
    out.flush()


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--direction", default="AtoB")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--ngf", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=400, help="pairs at most, by name")
    return parser.parse_args()


if __name__ == "__main__":
    main()
