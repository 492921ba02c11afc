"""How closely every exported format agrees with pixd, how large it is, and how fast.

All formats take turns within one run, so that a busy machine slows all of them. Prints the table of
docs/export.md.

    python benchmarks/export_agreement.py --model store/models/DIGEST --pictures FOLDER
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from pixd.pix2pix.exports import page
from pixd.pix2pix.exports.agreement import measure
from pixd.pix2pix.exports.formats import Writer
from pixd.pix2pix.exports.runtimes import LOADERS, load_onnx
from pixd.pix2pix.exports.trial import Trial
from pixd.pix2pix.network import hardware, keras_file, models, stored
from pixd.pix2pix.network.generator import load_generator, make_inference
from pixd.pix2pix.network.model_folder import GENERATOR_FILE

FORMATS = (
    ("savedmodel", "float32"),
    ("onnx", "float32"),
    ("onnx", "float16"),
    ("onnx", "int8"),
    ("openvino", "float32"),
    ("openvino", "float16"),
    ("openvino", "int8"),
    ("litert", "float32"),
    ("litert", "float16"),
)
TURNS = 5
CHOSEN_ON = 16  # pictures, as `pixd export` has
OWN = "pixd"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", type=Path, help="a model's folder (else an untrained one is made)"
    )
    parser.add_argument("--ngf", type=int, default=32, help="of the untrained one")
    parser.add_argument("--pictures", type=Path, help="folder of pictures (else noise)")
    parser.add_argument("--half", choices=("left", "right"), help="of side-by-side pictures")
    parser.add_argument("--count", type=int, default=20)
    return parser.parse_args()


def pictures(asked: argparse.Namespace, size: int) -> list[Any]:
    if asked.pictures is None:
        noise = np.random.default_rng(0).integers(0, 256, (asked.count, 8, 8, 3), np.uint8)
        return [one.repeat(size // 8, 0).repeat(size // 8, 1) for one in noise]
    found = []
    for path in sorted(asked.pictures.iterdir())[: asked.count]:
        with Image.open(path) as image:
            width, height = image.size
            left = {"left": 0, "right": width // 2}.get(asked.half, 0)
            box = (left, 0, left + (width // 2 if asked.half else width), height)
            found.append(np.asarray(image.convert("RGB").resize((size, size), box=box)))
    return found


def written(stock: Any, trial: Trial, folder: Path) -> dict[str, tuple[Path, Any, str]]:
    """Write every format; return its path, what loads it and its size, by name."""
    made = {}
    keras_file.save(stock, folder / GENERATOR_FILE)
    for format_, weights in FORMATS:
        target = folder / f"{format_}-{weights}"
        target.mkdir()
        path = Writer(stock, folder / GENERATOR_FILE, target, folder, weights).write(format_)
        made[f"{format_}, {weights}"] = (path, LOADERS[format_], f"{size_of(path) / 1e6:.1f}")
    target = folder / "page" / "target"
    target.mkdir(parents=True)
    content, _, told = page.smallest_model(stored.read(folder / GENERATOR_FILE), trial, target, "")
    path = target / "model.onnx"
    path.write_bytes(content)
    parts = page.write_parts(target / "model", "model", content)
    packed = sum((target / part).stat().st_size for part in parts)
    shown = f"{size_of(path) / 1e6:.1f}, packed {packed / 1e6:.1f}"
    made[f"of the page: {told['weights']}"] = (path, load_onnx, shown)
    return made


def size_of(path: Path) -> int:
    files = [*path.rglob("*")] if path.is_dir() else [path]
    if path.suffix == ".xml":
        files.append(path.with_suffix(".bin"))
    return sum(one.stat().st_size for one in files if one.is_file())


def taken_in_turns(runs: dict[str, Any], values: Any) -> dict[str, float]:
    """Return milliseconds an image, the median of some."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    order = [*runs]
    for _ in range(TURNS):
        random.shuffle(order)
        for name in order:
            began = time.perf_counter()
            runs[name](values)
            took[name].append(time.perf_counter() - began)
    return {name: 1e3 * median(all_) for name, all_ in took.items()}


def main() -> None:
    asked = arguments()
    hardware.choose_device("cpu")
    if asked.model:
        generator = load_generator(asked.model)
    else:
        generator = models.for_computing(models.build_generator(256, asked.ngf), "float32")
    inputs = pictures(asked, generator.input_shape[1])
    infer = make_inference(generator)
    codec = infer.codec
    expected = [
        codec.pixels_of(infer(codec.input_values(one[None])).numpy(), one[None])[0]
        for one in inputs
    ]
    trial = Trial(generator, [], {}, are_held_out=False)
    trial.inputs, trial.expected = inputs[:CHOSEN_ON], expected[:CHOSEN_ON]
    values = codec.input_values(inputs[0][None])
    runs: dict[str, Any] = {OWN: lambda one: infer(one).numpy()}
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        made = written(models.for_saving(generator), trial, Path(temporary))
        for name, (path, load, size) in made.items():
            began = time.perf_counter()
            loaded = load(path)
            loaded.run(values)
            load_s = time.perf_counter() - began
            found = measure(loaded.run, codec, inputs, expected)
            same = [("no", "yes")[is_so] for is_so in (found.is_repeatable, found.is_same_in_batch)]
            rows[name] = (
                f"{found.largest} | {found.mean:.4f} | {found.share:.3%} | {' | '.join(same)}"
                f" | {size} | {load_s:.2f}"
            )
            runs[name] = loaded.run
        took = taken_in_turns(runs, values)
    print(
        f"{len(inputs)} pictures; pixd itself, TensorFlow in float32: {took[OWN]:.0f} ms an image\n"
    )
    heads: tuple[str, ...] = (
        "format, weights",
        "largest",
        "mean",
        "pixels",
        "twice the same",
        "same in 8",
        "MB",
    )
    heads += ("first picture s", "ms an image", "to pixd")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, cells in rows.items():
        print(f"| {name} | {cells} | {took[name]:.0f} | {took[name] / took[OWN]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
