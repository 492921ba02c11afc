"""Measures what a batch can gain in translation if each image must keep the values that it has alone.

Usage: python benchmarks/exact_batches.py [--ngf 64] [--size 256] [--batches 4 8] [--threads 1 2]
[--rounds 7] [--avx2]

An untrained generator in float32 translates images of noise in these forms:

- one by one: what pixd does if a batch changes a value;
- a batch: all layers take all images, whether that changes values or not;
- products apart: a batch as pixd computes it if "a batch" changes a value and this does not. Products of the
  innermost layers have the shapes that they have for one image (pixd/pix2pix/network/small_convolutions.py);
- layers alone: a batch, but the layers that give other values in it take one image after the other.
  Which ones these are is found out for each batch, layer by layer.

All forms take turns in one process, which has the threads; each round reverses the order. With one thread it has
one core. The figures are milliseconds for each image, medians by the clock and of the processor, and
their ratio to one by one. Where other work keeps the cores busy, trust the processor time. What it takes
to find the layers and build the form "layers alone" is processor time too.
`--avx2` has Eigen's layers in place of oneDNN's, as on a processor without AVX-512. Which layers differ
depends on the caches too, so it may be other ones there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

AVX2 = {"TF_ENABLE_ONEDNN_OPTS": "0", "ONEDNN_MAX_CPU_ISA": "AVX2"}
WINDOW_S = 0.5  # of a turn, at least one call

Forms = dict[str, Callable[[], Any]]


def compiled(function: Callable[..., Any]) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - only in the child

    return tf.function(function, autograph=False, reduce_retracing=True)


def joined(parts: Sequence[Any]) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.concatenate([np.asarray(part) for part in parts])


def are_equal(one: Any, other: Any) -> bool:
    return bool((one == other).all())


# -- the layers that give other values in a batch ----------------------------------------------


def differing(network: Any, images: Any) -> list[str]:
    """Return the layers that make something else of a batch than of its images, given the same."""
    import keras  # noqa: PLC0415

    every = compiled(keras.Model(network.input, [layer.output for layer in network.layers]))
    alone = [every(images[at : at + 1]) for at in range(len(images))]
    made = {
        id(layer.output): joined([each[number] for each in alone])
        for number, layer in enumerate(network.layers)
    }
    found = []
    for layer in network.layers[1:]:  # the first is the input
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        given = [made[id(one)] for one in inputs]
        whole = compiled(lambda *x, layer=layer: layer(list(x) if len(x) > 1 else x[0]))
        if not are_equal(whole(*given).numpy(), made[id(layer.output)]):
            found.append(layer.name)
    return found


def with_layers_alone(network: Any, names: Sequence[str]) -> Any:
    """Return a copy of a network in which some layers take one image after the other."""
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    def copied(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        if layer.name in names:
            of_images = copy.call

            def call(images: Any) -> Any:
                if images.shape[0] is None:  # while the network is built
                    return of_images(images)
                each = [of_images(images[at : at + 1]) for at in range(images.shape[0])]
                return tf.concat(each, 0)

            copy.call = call
        return copy

    copy = keras.models.clone_model(network, clone_function=copied)
    copy.set_weights(network.get_weights())
    return copy


# -- taking turns --------------------------------------------------------------------------------


def forms_of(network: Any, images: Any) -> Forms:
    from pixd.pix2pix.network.generator import make_inference  # noqa: PLC0415

    inference = make_inference(network)
    alone, apart = inference.compiled, inference.apart
    began = time.process_time()
    names = differing(network, images)
    mended = compiled(with_layers_alone(network, names))
    mended(images)
    found_s = time.process_time() - began
    told = f"layers with other values: {', '.join(names) or 'none'}"
    print(f"  batch {len(images)}: {told} (found and built: {found_s:.1f} s)", flush=True)
    forms: Forms = {
        "one by one": lambda: joined([alone(images[at : at + 1]) for at in range(len(images))]),
        "a batch": lambda: alone(images).numpy(),
        "products apart": lambda: apart(images).numpy(),
    }
    if names:
        forms["layers alone"] = lambda: mended(images).numpy()
    return forms


def compare(forms: Forms, count: int, rounds: int) -> None:
    alone = forms["one by one"]()
    is_exact = {name: are_equal(form(), alone) for name, form in forms.items()}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for number in range(rounds):
        for name in list(forms) if number % 2 == 0 else reversed(forms):
            done, began, worked = 0, time.perf_counter(), time.process_time()
            while not done or time.perf_counter() - began < WINDOW_S:
                forms[name]()
                done += count
            seconds = time.perf_counter() - began, time.process_time() - worked
            took[name].append((1000 * seconds[0] / done, 1000 * seconds[1] / done))
    first = None
    for name, found in took.items():
        clock, used = (statistics.median(column) for column in zip(*found, strict=True))
        first = first or (clock, used)
        print(
            f"    {name:14} {'same values' if is_exact[name] else 'other values':12}"
            f"  clock {clock:7.1f} ms {clock / first[0]:5.2f}"
            f"  processor {used:7.1f} ms {used / first[1]:5.2f}",
            flush=True,
        )


def serve(args: argparse.Namespace) -> None:
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from pixd.pix2pix.network.models import build_generator, for_computing  # noqa: PLC0415

    (threads,) = args.threads
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    network = for_computing(build_generator(args.size, args.ngf), "float32")
    shape = (args.size, args.size, 3)
    for batch in args.batches:
        noise = np.random.default_rng(0).uniform(-1, 1, (batch, *shape)).astype("float32")
        compare(forms_of(network, tf.constant(noise)), batch, args.rounds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args)
        return
    fixed = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = {**os.environ, **fixed, **(AVX2 if args.avx2 else {})}
    for threads in args.threads:
        print(f"ngf {args.ngf}, {args.size} px, {threads} threads; load {os.getloadavg()[0]:.1f}")
        command = [sys.executable, __file__, "--serve", *sys.argv[1:], "--threads", str(threads)]
        if threads == 1:
            command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
