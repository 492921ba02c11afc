"""Measures how much memory a translator and its decoders take for one large image in tiles.

    python benchmarks/tile_memory.py [WIDTH HEIGHT [NGF [KIND]]]

Makes an untrained generator of 256 px and an image like a photograph (KIND: jpg, rgba, cmyk). A
real translator child translates it with `fit: tile`. Prints the peaks of resident memory, the time,
and the longest silence between two messages, which a service must tolerate.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pixd.system.children.spec import SCHEMA

SIZE = 256
BIG = 1 << 40


def large_image(path: Path, width: int, height: int, kind: str) -> Path:
    """Write an image of waves with noise, one band at a time."""
    mode = {"jpg": "RGB", "rgba": "RGBA", "cmyk": "CMYK"}[kind]
    image = Image.new(mode, (width, height))
    random = np.random.default_rng(0)
    x = np.arange(width)[None, :, None]
    for top in range(0, height, 256):
        y = np.arange(top, min(top + 256, height))[:, None, None]
        phase = np.arange(len(mode))[None, None]
        waves = 128 + 60 * np.sin(x / 97 + phase) + 50 * np.cos(y / 61 + 2 * phase)
        noisy = waves + random.integers(-6, 7, waves.shape)
        image.paste(Image.fromarray(noisy.clip(0, 255).astype(np.uint8), mode), (0, top))
    if kind == "rgba":
        path = path.with_suffix(".png")
        image.save(path, compress_level=1)
    else:
        path = path.with_suffix(".jpg")
        image.save(path, quality=90)
    return path


def model(folder: Path, ngf: int) -> str:
    """Save an untrained generator; return its digest."""
    code = (
        "import sys; from pixd.pix2pix.network.models import build_generator;"
        f"build_generator({SIZE}, {ngf}).save(sys.argv[1])"
    )
    folder.mkdir()
    path = folder / "generator.keras"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    (folder / "model.json").write_text(
        "{}"
    )  # the translator reads the card and needs nothing of it here
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def peaks(root: int) -> dict[str, float]:
    """Return the peak resident MB of a process and of each of its children."""
    found = {}
    children = Path(f"/proc/{root}/task").glob("*/children")
    pids = [root, *(int(pid) for file in children for pid in file.read_text().split())]
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "")
        name = "translator" if pid == root else f"decoder {pid}"
        found[name] = int(line.split()[1]) / 1000 if line else 0.0
    return found


def main() -> None:
    words = sys.argv[1:]
    width, height = (int(word) for word in words[:2] or ("12000", "9000"))
    ngf, kind = int(words[2]) if len(words) > 2 else 8, words[3] if len(words) > 3 else "jpg"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = large_image(folder / "large", width, height, kind)
        spec = {
            "schema": SCHEMA, "kind": "translate", "scratch": str(folder), "model": str(folder / "model"),
            "files": {"generator.keras": model(folder / "model", ngf)},
            "recipe": {
                "image_size": SIZE, "fit": "tile", "output_size": "source", "sample": False,
                "seed": 0, "alpha": "keep",
            },
            "device": "cpu", "precision": "float32", "batch": 8, "max_megapixels": 2000,
        }  # fmt: skip
        (folder / "spec.json").write_text(json.dumps(spec))
        child = subprocess.Popen(
            [sys.executable, "-m", "pixd.pix2pix.translator", str(folder / "spec.json")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        highest: dict[str, float] = {}
        silence = began = 0.0
        for line in child.stdout:
            event = json.loads(line)
            now = time.monotonic()
            if event["event"] == "ready":
                began = last = now
                request = {
                    "id": 1,
                    "image": str(source),
                    "out": str(folder / "out.png"),
                    "text": {},
                }
                child.stdin.write(json.dumps(request) + "\n")
                child.stdin.flush()
                print(f"ready: {peaks(child.pid)}", flush=True)
            elif began:
                silence, last = max(silence, now - last), now
                for name, mb in peaks(child.pid).items():
                    highest[name] = max(highest.get(name, 0.0), mb)
            if event.get("id") == 1 and event["event"] != "progress":
                print(event)
                break
        print(f"{width} x {height} {kind} of {source.stat().st_size / 1e6:.0f} MB, ngf {ngf}")
        print(f"{now - began:.0f} s, longest silence {silence:.1f} s")
        for name, mb in highest.items():
            print(f"{name}: {mb:.0f} MB at its peak")
        Image.MAX_IMAGE_PIXELS = BIG
        with Image.open(folder / "out.png") as made:
            print(made.size, made.mode, f"{(folder / 'out.png').stat().st_size / 1e6:.0f} MB")
        child.kill()


if __name__ == "__main__":
    main()
