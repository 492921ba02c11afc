"""A trainer whose model is a digest of what it was asked for: the real protocol, no network."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from pixd.system import durable
from pixd.system.children import child, task
from pixd.system.children.spec import Result, TrainSpec, result_to_json
from pixd.system.children.spec_parts import OutputFile
from pixd.system.digests import canonical_json


def main() -> int:
    spec, events = child.begin(TrainSpec, leave_at_eof=False)
    events.send("device", device="cpu")
    # Of contents, not of paths: an object's path ends with its digest.
    asked = [[Path(p).name for p in one["images"]] for one in (*spec.train, *spec.held_out)]
    seed = canonical_json([spec.recipe, sorted(asked)]).encode()
    ends_at = time.monotonic() + float(os.environ.get("PIXD_STUB_TRAIN_S", "0"))
    while time.monotonic() < ends_at:  # a training that takes its time
        events.send("progress", step=1, steps=4)
        time.sleep(0.1)
    if spec.early_after_s and os.environ.get("PIXD_STUB_EARLY"):
        outputs = write_model(spec, "early/2/model", b"early " + seed)
        scores = {"l1": 1.0, "ssim": 0.5, "sharpness": 1.0}
        early = Result(run_id=spec.run_id, step=2, steps=4, outputs=outputs, metrics=scores)
        events.send("early", step=2, why_not="", result=result_to_json(early))
    outputs = write_model(spec, "model", seed * 20)
    task.write_result(spec, step=4, steps=4, outputs=outputs, metrics={}, environment={})
    return 0


def write_model(spec: TrainSpec, at: str, generator: bytes) -> list[OutputFile]:
    folder = Path(spec.scratch) / at
    folder.mkdir(parents=True)
    outputs: list[OutputFile] = []
    card = canonical_json({name: spec.recipe[name] for name in ("image_size", "pairs")}).encode()
    files = (("generator", "generator.keras", generator), ("card", "model.json", card))
    for role, name, data in files:
        durable.write_file(folder / name, data)
        sha256 = "sha256:" + hashlib.sha256(data).hexdigest()
        outputs.append({"role": role, "path": f"{at}/{name}", "sha256": sha256, "size": len(data)})
    return outputs


if __name__ == "__main__":
    sys.exit(main())
