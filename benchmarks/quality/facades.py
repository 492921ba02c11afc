"""Train on real photographs while inputs wait, kill the service midway, score the outputs.

The data are the CMP facades as pix2pix uses them (512 x 256 JPEG, photo left, label map right,
folders train/ and val/). They are not part of pixd. Their licence is not stated: research use.

Usage: python benchmarks/quality/facades.py DATA OUT [--steps 4000] [--ngf 32] [--seed 0]
       [--precision float32] [--no-kill]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from pixd.images.contact_sheet import contact_sheet
from pixd.system.children.spec import SCHEMA

PIXD = [sys.executable, "-m", "pixd"]
SHOWN = 8
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
      quiet_seconds: 5
      steps: {steps}
      ngf: {ngf}
      ndf: {ngf}
      seed: {seed}
"""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--no-kill", action="store_true")
    args = parser.parse_args()
    out = args.out.absolute()
    prepare(args, out)
    service = start(out)
    drop_label_maps(args.data / "val", out / "input")
    if not args.no_kill:
        wait_for(out, lambda p: p["train"]["step"] >= args.steps // 3)
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        print(f"killed at step {part(out)['train']['step']}", flush=True)
        service = start(out)
        resumed = wait_for(out, lambda p: p["train"]["state"] == "running" and p["train"]["step"])
        print(f"goes on at step {resumed['train']['step']}", flush=True)
    wait_for(out, lambda p: p["model"] is not None)
    live_at = time.monotonic()
    inputs = len(list((out / "input").iterdir()))
    wait_for(out, lambda p: p["output"]["current"] >= inputs)
    print(f"all {inputs} translated {time.monotonic() - live_at:.1f} s after the model was live")
    service.terminate()
    service.wait()
    sys.stdout.flush()
    subprocess.run([*PIXD, "models"], cwd=out, check=True)
    sheet(args.data / "val", out)
    score(args.data, out)


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all trainings on the facades have."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--ngf", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="float32")
    return parser


def prepare(args: argparse.Namespace, out: Path) -> None:
    if out.exists():
        raise SystemExit(f"{out} is there already; name a new folder")
    (out / "input").mkdir(parents=True)
    shutil.copytree(args.data / "train", out / "training")
    text = CONFIG.format(precision=args.precision, steps=args.steps, ngf=args.ngf, seed=args.seed)
    (out / "config.yaml").write_text(text)


def start(out: Path) -> subprocess.Popen[bytes]:
    with (out / "service.log").open("ab") as log:
        return subprocess.Popen([*PIXD, "run"], cwd=out, stderr=log, start_new_session=True)


def drop_label_maps(pairs: Path, inputs: Path) -> None:
    for path in sorted(pairs.glob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
            label = image.crop((width // 2, 0, width, height))
        temporary = inputs / f".{path.stem}.part"
        label.save(temporary, "PNG")
        temporary.rename(inputs / f"{path.stem}.png")


def part(out: Path) -> dict[str, Any]:
    done = subprocess.run([*PIXD, "status", "--json"], cwd=out, capture_output=True, check=False)
    return dict(json.loads(done.stdout)["pipelines"]["facades"])


def wait_for(out: Path, is_so: Any) -> dict[str, Any]:
    while True:
        seen = part(out)
        if is_so(seen):
            return seen
        if seen["train"]["state"] == "failed":
            raise SystemExit(f"training failed: {seen['train']['reason']}")
        time.sleep(1)


def sheet(pairs: Path, out: Path) -> None:
    rows = []
    for path in sorted((out / "output").iterdir())[:SHOWN]:
        with Image.open(pairs / f"{path.stem}.jpg") as image:
            target = image.crop((0, 0, image.width // 2, image.height))
        rows.append((path.name, [Image.open(out / "input" / path.name), Image.open(path), target]))
    contact_sheet(rows, ("input", "output", "target"), 192).save(out / "contact-sheet.png")
    print(f"{out / 'contact-sheet.png'}: the first {SHOWN} by name")


def score(data: Path, out: Path, runs: Mapping[str, Path] | None = None) -> None:
    """Score outputs with pixd's own scorer, as the demo does.

    Args:
        data: the facades.
        out: the folder of the pipeline, with the label maps in input/.
        runs: folders with an output of each label map, by name; output/ by default.
    """
    runs = runs or {"pixd": out / "output"}
    scratch = out / "score"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    triples: list[dict[str, str]] = []
    made: dict[str, dict[str, str]] = {name: {} for name in runs}
    for path in sorted((data / "val").glob("*.jpg")):
        name = f"{path.stem}.png"
        with Image.open(path) as image:
            image.crop((0, 0, image.width // 2, image.height)).save(scratch / f"target-{name}")
        target, given = scratch / f"target-{name}", out / "input" / name
        triples.append({"name": name, "input": str(given), "target": str(target)})
        for run, folder in runs.items():
            made[run][name] = str(folder / name)
    spec = {
        "schema": SCHEMA,
        "kind": "score",
        "run_id": "facades",
        "scratch": str(scratch),
        "size": 256,
        "direction": "BtoA",
        "triples": triples,
        "train": [{"pair": str(path)} for path in sorted((data / "train").glob("*.jpg"))],
        "runs": made,
    }
    (scratch / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "pixd.pix2pix.score", str(scratch / "spec.json")]
    # The end of its stdin would end it, so the pipe stays open until it has finished.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as scorer:
        if scorer.wait():
            raise SystemExit("the scorer failed")
    rows = json.loads((scratch / "result.json").read_text())["metrics"]["rows"]
    print(f"{'':16}{'n':>5}{'L1':>8}{'PSNR':>8}{'SSIM':>8}{'sharp':>8}")
    for name in sorted(rows, key=lambda n: n in runs):
        row = rows[name]
        print(
            f"{name:16}{row['n']:5.0f}{row['l1']:8.2f}{row['psnr']:8.2f}{row['ssim']:8.3f}"
            f"{row['sharpness']:8.2f}"
        )


if __name__ == "__main__":
    main()
