"""What scoring costs where pictures are far larger than the model's square.

    python benchmarks/large_pairs.py [TREE ...]

Trains for 150 steps at 64 px on 24 pairs of 3840 x 2160, with the pixd of each TREE (this one by
default), and prints the seconds of training and of scoring, and their ratio. Compare the ratios: both
parts meet the same other work on the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

PAIRS, STEPS, SIZE = 24, 150, (3840, 2160)
CONFIG = f"""\
store: ./store
pipelines:
  p:
    training: ./training
    input: ./input
    output: ./output
    pairs: folders
    image_size: 64
    settle_seconds: 0.5
    train: {{quiet_seconds: 1, steps: {STEPS}, ngf: 4, ndf: 4}}
"""


def main() -> None:
    """Measure each tree on the same pairs."""
    trees = [Path(tree).absolute() for tree in sys.argv[1:]] or [Path(__file__).parents[1]]
    with tempfile.TemporaryDirectory() as temporary:
        for number, tree in enumerate(trees):
            project = Path(temporary) / str(number)
            make(project)
            took = timings(tree, project)
            ratio = took["validate_s"] / took["train_s"]
            print(
                f"{tree}: train {took['train_s']:.1f} s, validate {took['validate_s']:.1f} s,"
                f" ratio {ratio:.2f}",
                flush=True,
            )


def make(project: Path) -> None:
    """Write the configuration and the pairs: blocks of colour, and the same with grain."""
    random = np.random.default_rng(0)
    for name in ("training/a", "training/b", "input", "output"):
        (project / name).mkdir(parents=True)
    (project / "config.yaml").write_text(CONFIG)
    for number in range(PAIRS):
        blocks = random.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        grain = random.integers(-20, 21, (270, 480, 3))
        picture = np.kron(blocks, np.ones((30, 30, 1), np.uint8))
        for side, pixels in (("a", picture), ("b", np.clip(picture + grain, 0, 255))):
            image = Image.fromarray(pixels.astype(np.uint8)).resize(SIZE)
            image.save(project / "training" / side / f"{number:03d}.jpg")


def timings(tree: Path, project: Path) -> dict[str, float]:
    """Train once with the pixd of a tree; return the seconds of each part of the training."""
    pixd = [sys.executable, "-m", "pixd"]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    subprocess.run(
        [*pixd, "run", "--once"], cwd=project, env=environment, check=True, capture_output=True
    )
    told = subprocess.run(
        [*pixd, "show", "model@1", "--json"],
        cwd=project, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    run: dict[str, dict[str, float]] = json.loads(told.stdout)["training"]
    return run["timings"]


if __name__ == "__main__":
    main()
