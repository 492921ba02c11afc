"""A translator that inverts the colours: the real protocol, decoder and encoder, no network."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from PIL import ImageOps

from pixd.images import decode, png
from pixd.system import crash_points
from pixd.system.children import child, task
from pixd.system.children.spec import TranslateSpec
from pixd.system.errors import ImageRejectedError


def translate(request: dict[str, Any]) -> dict[str, Any]:
    crash_points.crash_point("decode")
    try:
        image = decode.decode(Path(request["image"]).read_bytes())
    except ImageRejectedError as error:
        return {"event": "rejected", "reason": error.message}
    crash_points.crash_point("infer")
    told = []
    for one in request.get("samples") or [request]:
        data = png.encode_png(ImageOps.invert(image.convert("RGB")), one["text"])
        try:
            Path(one["out"]).write_bytes(data)
        except OSError as error:
            described = task.describe_error(error)
            return {"event": "failed", "kind": described["kind"], "reason": described["message"]}
        told.append({"sha256": "sha256:" + hashlib.sha256(data).hexdigest()})
    return {"event": "done", **({"samples": told} if "samples" in request else told[0])}


def main() -> int:
    _, events = child.begin(TranslateSpec, stdin_fd=-1)
    events.send("ready", device="cpu", environment={})
    for line in sys.stdin:
        request = json.loads(line)
        time.sleep(float(os.environ.get("PIXD_STUB_TRANSLATE_S", "0")))
        answer = translate(request)
        events.send(answer.pop("event"), id=request["id"], **answer)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
