"""How soon a first picture comes, and how good the early models are, on real photographs.

Usage: python benchmarks/quality/first_light.py DATA OUT [--minutes 12] [--ngf 64]
       [--precision auto] [--early-seconds 60]

DATA holds the CMP facades as pix2pix uses them, see facades.py. All settings are the defaults, but
for direction BtoA and a quiet time of 1 s. The pairs and one label map are there when `pixd run`
starts, with nothing warm. After so many minutes the service ends. Then each early model translates
the 100 label maps that no training saw, and all are scored; OUT/contact-sheet.png shows some.

Beside it: `python benchmarks/beside_pytorch.py` measures a step of PyTorch on the same machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import facades
from PIL import Image

from pixd.images.contact_sheet import contact_sheet

CONFIG = """\
store: ./store
precision: {precision}
pipelines:
  facades:
    training: ./training
    input: ./input
    output: ./output
    direction: BtoA
    train:
      quiet_seconds: 1
      early_seconds: {early_seconds}
      ngf: {ngf}
      ndf: {ngf}
"""
LOOK_EVERY_S = 0.05


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--ngf", type=int, default=64)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--early-seconds", type=float, default=60)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    out = args.out.absolute()
    (out / "input").mkdir(parents=True)
    shutil.copytree(args.data / "train", out / "training")
    text = CONFIG.format(precision=args.precision, ngf=args.ngf, early_seconds=args.early_seconds)
    (out / "config.yaml").write_text(text)
    labels = out / "labels"
    labels.mkdir()
    facades.drop_label_maps(args.data / "val", labels)
    first = min(labels.iterdir())
    shutil.copy(first, out / "input")
    began = time.monotonic()
    service = facades.start(out)
    watch(out / "output" / first.name, began, args.minutes * 60)
    service.terminate()
    service.wait()
    subprocess.run([*facades.PIXD, "log", "-n", "40"], cwd=out, check=True)
    (out / "input" / first.name).unlink()
    for path in labels.iterdir():
        path.rename(out / "input" / path.name)
    models = models_of(out)
    for model in models:
        made = translate(out, model["name"])
        print(f"{model['name']}: step {model['steps']}, {made}")
    if models:
        runs = {model["name"]: out / model["name"] for model in models}
        facades.score(args.data, out, runs)
        sheet(args.data / "val", out, list(runs.values()))


def watch(output: Path, began: float, seconds: float) -> None:
    """Print when the output came, and when it was replaced."""
    seen = 0
    while time.monotonic() - began < seconds:
        inode = output.stat().st_ino if output.exists() else 0
        if inode != seen:
            seen = inode
            print(f"output after {time.monotonic() - began:.1f} s", flush=True)
        time.sleep(LOOK_EVERY_S)


def models_of(out: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*facades.PIXD, "models", "--json"], cwd=out, capture_output=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return sorted(found, key=lambda model: int(model["number"]))


def translate(out: Path, model: str) -> str:
    paths = [str(path) for path in sorted((out / "input").iterdir())]
    began = time.monotonic()
    subprocess.run(
        [*facades.PIXD, "translate", *paths, "--model", model, "-o", model],
        cwd=out, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return f"{len(paths)} label maps in {time.monotonic() - began:.0f} s"


def sheet(pairs: Path, out: Path, folders: list[Path]) -> None:
    rows = []
    for given in sorted((out / "input").iterdir())[: facades.SHOWN]:
        with Image.open(pairs / f"{given.stem}.jpg") as image:
            target = image.crop((0, 0, image.width // 2, image.height))
        outputs = [Image.open(folder / given.name) for folder in folders]
        rows.append((given.name, [Image.open(given), *outputs, target]))
    names = ("input", *(folder.name for folder in folders), "target")
    contact_sheet(rows, names, 192).save(out / "contact-sheet.png")
    print(f"{out / 'contact-sheet.png'}: the first {facades.SHOWN} by name")


if __name__ == "__main__":
    main()
