"""A translator that inverts the colours: the real protocol, decoder and encoder, no network."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from PIL import ImageOps

from pixd import durable, images
from pixd.errors import ImageRejectedError
from pixd.pix2pix import runtime


def translate(request: dict[str, Any]) -> dict[str, Any]:
    durable.crash_point("decode")
    try:
        image = images.decode(Path(request["image"]).read_bytes())
    except ImageRejectedError as error:
        return {"event": "rejected", "reason": error.message}
    durable.crash_point("infer")
    data = images.encode_png(ImageOps.invert(image.convert("RGB")), request["text"])
    try:
        Path(request["out"]).write_bytes(data)
    except OSError as error:
        described = runtime.describe_error(error)
        return {"event": "failed", "kind": described["kind"], "reason": described["message"]}
    return {"event": "done", "sha256": "sha256:" + hashlib.sha256(data).hexdigest()}


def main() -> int:
    events = runtime.claim_stdout()
    runtime.die_with_parent(leave_at_eof=True, stdin_fd=-1)
    runtime.read_spec(sys.argv[1:], "translate")
    events.send("ready", device="cpu", environment={})
    for line in sys.stdin:
        request = json.loads(line)
        answer = translate(request)
        events.send(answer.pop("event"), id=request["id"], **answer)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
