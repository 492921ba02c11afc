"""Measures what training costs beyond the bare update, and how well the update uses the processor.

Usage: python benchmarks/train_step.py [--ngf 64] [--batch 1 4] [--steps 8] [--rounds 3]
[--precision float32 bfloat16] [--size 256]

All sides take turns in one run. Each has a window of so many steps at batch 1; at a larger batch,
the window has as many images (at least two steps). Medians over the rounds are shown. Only one side
computes at a time:

- pixd's training is its own training process, as the service starts it, with files, decoding,
  jitter, prefetch, checks for NaN and events. No pair comes a second time, so every step has
  images to decode. There is no validation and there are no checkpoints. Between its windows the
  process is stopped (SIGSTOP). It reports its step about once a second. A window is from one such
  event to another, and the first event after a stop is not counted.
- The bare loop is the same networks and the same update, called with tensors that are ready. It
  runs in this process.
- "Keras' layers" has Keras' own layers in place of pixd's faster ones
  (pixd/pix2pix/network/cpu_layers.py), "Keras' Adam" has Keras' own optimiser; both in float32.
- The arithmetic is that of the convolutions, from the shapes of the layers. A multiplication with
  an addition counts as two operations. Forward pass and both gradients are three times the forward
  pass. It is compared with the arithmetic of a tf.matmul of two square matrices.

The training process has a normal priority here; under the service it has a lower one.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import tensorflow as tf
from fixtures import pixd_training
from fixtures.stopped import StoppedTraining, Take, take_turns

from pixd.pix2pix.network import hardware
from pixd.pix2pix.network.averaging import WeightAverage
from pixd.pix2pix.network.losses import LossWeights
from pixd.pix2pix.network.models import build_discriminator, build_generator, for_computing
from pixd.pix2pix.network.steps import Networks, make_networks, make_train_step, tensors_of

tf.get_logger().setLevel("ERROR")  # this script compiles functions again on purpose

MATRIX = 3072
WEIGHTS = LossWeights()
ADAM: dict[str, Any] = {"learning_rate": 2e-4, "beta_1": 0.5}
BATCH_RATIO, ARITHMETIC_RATIO = 0.95, 0.5  # wanted
STOCK, KERAS_ADAM = "Keras' layers", "Keras' Adam"


class Side(NamedTuple):
    """One of the sides that take turns."""

    name: str
    precision: str
    take: Take


# -- the bare update -------------------------------------------------------------------------


class KerasAdam:
    """Keras' own optimiser in place of pixd's."""

    def __init__(self, model: keras.Model) -> None:
        self._variables = model.trainable_variables
        self._adam = keras.optimizers.Adam(**ADAM, epsilon=1e-8)
        self._adam.build(self._variables)

    def apply(self, gradients: list[Any]) -> None:
        self._adam.apply(gradients, self._variables)


class Bare:
    """The update in a loop, on tensors that are ready."""

    def __init__(self, networks: Any, size: int, batch: int) -> None:
        self._step = make_train_step(networks, WEIGHTS)
        shape = (batch, size, size, 3)
        self._pair = [tf.random.uniform(shape, -1, 1, seed=seed) for seed in (1, 2)]
        self.take(2)  # the first one compiles

    def take(self, steps: int) -> float:
        self._step(*self._pair).numpy()  # loads its own weights into the caches again
        began = time.perf_counter()
        for _ in range(steps):
            self._step(*self._pair).numpy()
        return (time.perf_counter() - began) / steps


def models_of(args: argparse.Namespace) -> tuple[keras.Model, keras.Model]:
    return build_generator(args.size, args.ngf), build_discriminator(args.size, args.ngf)


def networks_of(args: argparse.Namespace, device: hardware.Device) -> dict[tuple[str, str], Any]:
    """Return networks by name and precision: the bare ones, and those with one difference."""
    made: dict[tuple[str, str], Any] = {}
    for precision in args.precision:
        policy = hardware.choose_policy(precision, device)
        models = [for_computing(model, policy) for model in models_of(args)]
        made["bare", precision] = make_networks(*models, **ADAM)
    if "float32" in args.precision:
        made[STOCK, "float32"] = make_networks(*models_of(args), **ADAM)
        generator, discriminator = (for_computing(model, "float32") for model in models_of(args))
        # Networks expects pixd's Adam, but the update uses only its `apply`.
        generator_adam: Any = KerasAdam(generator)
        discriminator_adam: Any = KerasAdam(discriminator)
        average = WeightAverage(tensors_of(generator.trainable_variables))
        made[KERAS_ADAM, "float32"] = Networks(
            *(generator, discriminator, generator_adam, discriminator_adam, average)
        )
    return made


# -- the arithmetic --------------------------------------------------------------------------


def forward_operations(layer: keras.Layer) -> int:
    """Return the operations of a convolution's forward pass on one image; 0 for other layers."""
    # A convolution multiplies the kernel at each pixel of its output, a transposed one at each
    # pixel of its input.
    if isinstance(layer, keras.layers.Conv2DTranspose):
        grid = layer.input.shape[1:3]
    elif isinstance(layer, keras.layers.Conv2D):
        grid = layer.output.shape[1:3]
    else:
        return 0
    return int(2 * math.prod(grid) * math.prod(layer.kernel.shape))


def step_operations(generator: keras.Model, discriminator: keras.Model) -> int:
    """Return the operations of the convolutions in one update with one image."""
    gen, disc = (
        [n for n in map(forward_operations, model.layers) if n]
        for model in (generator, discriminator)
    )
    # The generator: forward, and the gradients of the kernels and of the inputs of the layers. The
    # gradient of the image is not needed.
    operations = 3 * sum(gen) - gen[0]
    # The discriminator, on the real and on the generated pair: the same.
    operations += 2 * (3 * sum(disc) - disc[0])
    # The updated discriminator: forward, and the gradient back to the generator's image.
    return operations + 2 * sum(disc)


def matmul_rate(precision: str) -> Take:
    """Return a function that times one multiplication of two square matrices."""
    one, other = (
        tf.cast(tf.random.uniform((MATRIX, MATRIX), seed=seed), precision) for seed in (1, 2)
    )
    multiply = tf.function(tf.matmul)
    multiply(one, other)

    def take(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            # Fetch only one number, because copying the whole matrix would be timed too.
            multiply(one, other)[0, 0].numpy()
        return (time.perf_counter() - began) / times

    return take


# -- taking turns ----------------------------------------------------------------------------


@contextlib.contextmanager
def sides_of(
    args: argparse.Namespace, at: Path, pairs: list[dict[str, Any]], networks: Any, batch: int
) -> Iterator[list[Side]]:
    sides: list[Side] = []
    trainings: list[StoppedTraining] = []
    try:
        for precision in args.precision:
            training = pixd_training.start(
                at / f"{precision}-{batch}",
                pairs,
                size=args.size,
                ngf=args.ngf,
                batch=batch,
                precision=precision,
            )
            trainings.append(training)
            sides.append(Side("pixd", precision, training.take))
        for (name, precision), made in networks.items():
            sides.append(Side(name, precision, Bare(made, args.size, batch).take))
        yield sides
    finally:
        for training in trainings:
            training.end()


def medians(sides: list[Side], steps: int, rounds: int) -> dict[tuple[str, str], float]:
    """Return the median seconds of a step of each side."""
    took = take_turns([side.take for side in sides], steps, rounds)
    return {
        (side.name, side.precision): statistics.median(seconds)
        for side, seconds in zip(sides, took, strict=True)
    }


def show(what: str, figures: str, ratio: float, wanted: str = "") -> None:
    print(f"{what:44} {figures:36} ratio {ratio:5.2f}  {wanted}".rstrip(), flush=True)


def show_all(step_s: dict[tuple[str, str], float], batch: int, operations: int) -> None:
    rate = {which: batch / seconds for which, seconds in step_s.items() if which[0] != "matmul"}
    for name, precision in step_s:
        if name != "bare":
            continue
        bare = rate["bare", precision]
        pixd = rate["pixd", precision]
        show(
            f"batch {batch}, {precision}: training / bare loop",
            f"{pixd:.2f} / {bare:.2f} images/s",
            pixd / bare,
            f"(wanted: {BATCH_RATIO})",
        )
        reached = operations * bare / 1e9
        limit = 2 * MATRIX**3 / step_s["matmul", precision] / 1e9
        show(
            f"batch {batch}, {precision}: arithmetic / tf.matmul",
            f"{reached:.0f} / {limit:.0f} GFLOP/s",
            reached / limit,
            f"(wanted: {ARITHMETIC_RATIO})",
        )
    float32 = rate.get(("bare", "float32"))
    if float32 is None:
        return
    for name, precision in (("bare", "bfloat16"), (STOCK, "float32"), (KERAS_ADAM, "float32")):
        if (name, precision) in rate:
            other = rate[name, precision]
            title = precision if name == "bare" else name
            figures = f"{other:.2f} / {float32:.2f} images/s"
            show(f"batch {batch}: {title} / bare loop, float32", figures, other / float32)


def arguments() -> argparse.Namespace:
    parser = pixd_training.parser_of()
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--steps", type=int, default=8, help="of a window, at batch 1")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    # Called before anything is computed, so that the bare loop has the threads of a training.
    device = hardware.choose_device("cpu")
    operations = step_operations(*models_of(args))
    print(f"ngf {args.ngf}, {args.size} px: {operations / 1e9:.1f} GFLOP a step and image")
    print(f"{device.name}: precision auto takes {device.fastest}")
    with tempfile.TemporaryDirectory(prefix="pixd-train-step-") as name:
        at = Path(name)
        (at / "pairs").mkdir()
        pairs = pixd_training.draw_pairs(at / "pairs", args.size)
        networks = networks_of(args, device)
        for batch in args.batch:
            steps = max(2, round(args.steps / batch))
            with sides_of(args, at, pairs, networks, batch) as sides:
                sides += [Side("matmul", p, matmul_rate(p)) for p in args.precision]
                show_all(medians(sides, steps, args.rounds), batch, operations)


if __name__ == "__main__":
    main()
