"""A trainer whose model is a digest of what it was asked for: the real protocol, no network."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from pixd.system import durable
from pixd.system.children import child, task
from pixd.system.children.spec import OutputFile, TrainSpec
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
    folder = Path(spec.scratch) / "model"
    folder.mkdir()
    outputs: list[OutputFile] = []
    card = canonical_json({name: spec.recipe[name] for name in ("image_size", "pairs")}).encode()
    files = (("generator", "generator.keras", seed * 20), ("card", "model.json", card))
    for role, name, data in files:
        durable.write_file(folder / name, data)
        sha256 = "sha256:" + hashlib.sha256(data).hexdigest()
        outputs.append({"role": role, "path": f"model/{name}", "sha256": sha256, "size": len(data)})
    task.write_result(spec, step=4, steps=4, outputs=outputs, metrics={}, environment={})
    return 0


if __name__ == "__main__":
    sys.exit(main())
