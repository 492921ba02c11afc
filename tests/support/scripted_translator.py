"""A child that keeps the protocol of the translator: an output is the digest of image, model and text.

`recipe` has `image_s` (how long an image takes), `output_bytes` (to which an output is filled up), and
`fatal`: the digest of an image that ends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pixd.system.children import child
from pixd.system.children.spec import TranslateSpec
from pixd.system.digests import canonical_json, digest_of


def output_of(image: bytes, model: bytes, text: dict[str, str]) -> bytes:
    """Return what comes of an image."""
    return digest_of(image + model + canonical_json(text).encode()).encode()


def main() -> int:
    spec, events = child.begin(TranslateSpec, stdin_fd=-1)
    model = Path(spec.model, "generator.keras").read_bytes()
    assert digest_of(model) == spec.files["generator.keras"]
    events.send("ready", device="cpu", environment={"device": "cpu"})
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        time.sleep(spec.recipe.get("image_s", 0))
        image = Path(asked["image"]).read_bytes()
        if digest_of(image) == spec.recipe.get("fatal"):
            os.kill(os.getpid(), signal.SIGSEGV)
        data = output_of(image, model, asked["text"])
        data = data.ljust(spec.recipe.get("output_bytes", 0), b".")
        Path(asked["out"]).write_bytes(data)
        told = {"sha256": digest_of(data), "size": len(data), "ms": {"infer": 1.0}}
        events.send("done", id=asked["id"], width=1, height=1, values=None, **told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
