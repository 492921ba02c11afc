"""A child that keeps the protocol of the trainer and learns nothing: what it makes follows from its input.

Its checkpoints hold a digest that every step changes, so a step that is left out, or done twice, shows
in the model. `recipe` has `steps`, `every` (steps between checkpoints) and `step_s`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from pixd.system.children import child, task
from pixd.system.children.spec import TrainSpec
from pixd.system.children.spec_parts import OutputFile
from pixd.system.digests import digest_of

DISK_FULL_AT = "PIXD_DISK_FULL_AT"
"""The step at which its disk is full."""


def main() -> int:
    spec, events = child.begin(TrainSpec, leave_at_eof=False)
    stop = child.StopFlag()
    stop.leaves_at_once = False
    recipe = spec.recipe
    folder = Path(spec.checkpoints)
    folder.mkdir(exist_ok=True)
    step, state = _restored(folder)
    if not step:
        pairs = [digest_of(Path(image).read_bytes()) for p in spec.train for image in p["images"]]
        assert pairs == [digest for pair in spec.train for digest in pair["digests"]]
        state = digest_of("".join(pairs).encode())
    events.send("device", device="cpu", device_name="none")
    events.phase("training")
    while step < recipe["steps"] and not stop.is_set:
        time.sleep(recipe["step_s"])
        step += 1
        state = digest_of(f"{state}{step}".encode())
        events.send("progress", step=step, steps=recipe["steps"])
        if str(step) == os.environ.get(DISK_FULL_AT):
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            task.write_result(spec, state="failed", error=task.describe_error(full))
            return 1
        if step % recipe["every"] == 0:
            _save(folder, step, state)
            events.send("checkpoint", step=step)
            if spec.preview:
                Path(spec.preview).write_bytes(state.encode())
                events.send("preview", step=step, path=spec.preview)
    if stop.is_set:
        _save(folder, step, state)
        task.write_result(spec, state="interrupted", step=step)
        return 0
    model = Path("model")
    model.mkdir()
    outputs = [_written(model / "generator.keras", state.encode(), "generator")]
    outputs.append(_written(model / "model.json", b"{}", "card"))
    environment = {"device": "cpu"}
    task.write_result(spec, step=step, steps=step, outputs=outputs, environment=environment)
    return 0


def _written(path: Path, data: bytes, role: str) -> OutputFile:
    path.write_bytes(data)
    return {"role": role, "path": str(path), "sha256": digest_of(data), "size": len(data)}


def _restored(folder: Path) -> tuple[int, str]:
    for found in sorted(folder.glob("step-*"), reverse=True):
        saved: dict[str, Any] = json.loads((found / "state.json").read_text())
        large = (found / "variables").read_bytes()
        assert hashlib.sha256(large).hexdigest() == saved["large"]
        return int(saved["step"]), str(saved["state"])
    return 0, ""


def _save(folder: Path, step: int, state: str) -> None:
    part = folder / f".part-{step:08d}"
    part.mkdir()
    large = state.encode() * 1000
    (part / "variables").write_bytes(large)
    text = {"step": step, "state": state, "large": hashlib.sha256(large).hexdigest()}
    (part / "state.json").write_text(json.dumps(text))
    shutil.rmtree(folder / f"step-{step:08d}", ignore_errors=True)
    part.rename(folder / f"step-{step:08d}")
    for old in sorted(folder.glob("step-*"))[:-1]:
        shutil.rmtree(old)


if __name__ == "__main__":
    sys.exit(main())
