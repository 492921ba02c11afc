"""Train on 360 real pairs, add 40: is the warm start as good as training from scratch?

Runs pixd three times on the CMP facades (see facades.py for the data): on the first 360 pairs by
name; then with the other 40 added (a warm start, a quarter of the steps); then on all 400 from
scratch, in a folder of its own. Scores all three on the 100 pairs that none of them was trained on.

Usage: python benchmarks/quality/warm_start.py DATA OUT [--steps 4000] [--ngf 32] [--seed 0]
       [--precision float32] [--scratch FOLDER]   (FOLDER: a finished one of facades.py)
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from facades import PIXD, drop_label_maps, parser_of, part, prepare, score, start, wait_for

ADDED = 40


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--scratch", type=Path)
    args = parser.parse_args()
    out = args.out.absolute() / "warm"
    prepare(args, out)
    later = sorted((out / "training").iterdir())[-ADDED:]
    aside = out / "later"
    aside.mkdir()
    for path in later:
        path.rename(aside / path.name)
    learn(args.data, out, 1)
    print(f"== {400 - ADDED} pairs", flush=True)
    score(args.data, out)
    for path in aside.iterdir():
        path.rename(out / "training" / path.name)
    learn(args.data, out, 2)
    print(f"== {ADDED} added: warm start", flush=True)
    score(args.data, out)
    scratch = args.scratch
    if scratch is None:
        scratch = args.out.absolute() / "scratch"
        prepare(args, scratch)
        learn(args.data, scratch, 1)
    print("== all 400 from scratch", flush=True)
    score(args.data, scratch)


def learn(data: Path, out: Path, number: int) -> None:
    """Run the service until model `number` is decided about and every label map is translated."""
    if not any((out / "input").iterdir()):
        drop_label_maps(data / "val", out / "input")
    service = start(out)
    wait_for(out, lambda _: len(models(out)) >= number)
    subprocess.run([*PIXD, "wait"], cwd=out, check=True)
    service.terminate()
    service.wait()
    subprocess.run([*PIXD, "models"], cwd=out, check=True)
    subprocess.run([*PIXD, "log", "model"], cwd=out, check=False)
    live = part(out)["model"]["number"]
    if live != number:
        print(f"model@{number} was not promoted: model@{live} is live", flush=True)
        subprocess.run([*PIXD, "show", f"model@{number}"], cwd=out, check=False)


def models(out: Path) -> list[dict[str, Any]]:
    """Return the models of the pipeline in `out`."""
    told = subprocess.run([*PIXD, "models", "--json"], cwd=out, capture_output=True, check=False)
    return list(json.loads(told.stdout)) if told.returncode == 0 else []  # 4: no store yet


if __name__ == "__main__":
    main()
