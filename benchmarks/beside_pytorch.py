"""Compares pixd's training with pix2pix in PyTorch: same networks, update, cores and run.

Usage: python benchmarks/beside_pytorch.py [--ngf 64] [--size 256] [--batch 1] [--steps 10]
[--rounds 6] [--precision float32 bfloat16] [--python PATH]
Without --python, PyTorch for the CPU is installed once into an environment of its own, under
~/.cache/pixd; with --python, the PyTorch of that Python is used.

pixd's side is its own training process, with files to decode, jitter, checks for NaN and events.
PyTorch's side (peers/pix2pix_torch.py) is the bare update on tensors that are ready. All take
turns, each for a window of so many steps. The order is reversed from round to round. Only one of
them computes at a time; the others are stopped (SIGSTOP). The ratio is that of the medians. The
lowest and highest ratio of a round are printed beside it, because a machine that others use too
changes its speed within a minute.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from fixtures import pixd_training
from fixtures.environments import installed
from fixtures.stopped import StoppedTraining, take_turns

TORCH = "torch==2.13.0"
WHEELS = "https://download.pytorch.org/whl/cpu"  # the one on PyPI for Linux includes CUDA
PEER = Path(__file__).with_name("peers") / "pix2pix_torch.py"
WANTED = 1.2


def arguments() -> argparse.Namespace:
    parser = pixd_training.parser_of()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10, help="of a window")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--python", type=Path, help="a Python that has torch")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    python = args.python or installed(
        TORCH, "--extra-index-url", WHEELS, instead="name a Python that has it: --python PATH"
    ).joinpath("python")
    with tempfile.TemporaryDirectory(prefix="pixd-beside-pytorch-") as name:
        at = Path(name)
        (at / "pairs").mkdir()
        pairs = pixd_training.draw_pairs(at / "pairs", args.size)
        for precision in args.precision:
            asked = {
                "size": args.size, "ngf": args.ngf, "batch": args.batch, "precision": precision
            }  # fmt: skip
            options = [f"--{key}={value}" for key, value in asked.items()]
            sides: list[StoppedTraining] = []
            try:
                sides.append(pixd_training.start(at / precision, pairs, **asked))
                sides.append(
                    StoppedTraining([str(python), str(PEER), *options], at / f"torch-{precision}")
                )
                takes = [side.take for side in sides]
                show(precision, *take_turns(takes, args.steps, args.rounds))
            finally:
                for side in sides:
                    side.end()


def show(precision: str, pixd: list[float], peer: list[float]) -> None:
    ratios = sorted(other / own for own, other in zip(pixd, peer, strict=True))
    own, other = statistics.median(pixd), statistics.median(peer)
    print(
        f"{precision:9} PyTorch / pixd  {other:.3f} / {own:.3f} s a step"
        f"  ratio {other / own:.2f}  (rounds {ratios[0]:.2f} to {ratios[-1]:.2f};"
        f" the best of each {min(peer) / min(pixd):.2f}; wanted: {WANTED})",
        flush=True,
    )


if __name__ == "__main__":
    main()
