"""The child that looks at new training images: is this a picture, and does it fit the layout?

Pillow only, no TensorFlow, so it starts in a fifth of a second. Decoding hostile bytes is done
here and not in the service: this process has bounded memory and time, and may die.

Protocol, one JSON object a line: ``{"id", "image", "layout"}`` in, ``done`` with width, height
and format or ``rejected`` with a reason out; the end of input ends it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from pixd import disk, images, libc
from pixd.errors import ImageRejectedError

MEMORY_BYTES = 4 * 1024**3
SECONDS_AN_IMAGE = 30


def inspect(path: Path, layout: str) -> dict[str, Any]:
    """Decode one image and return the event that says what it is.

    Args:
        path: the object's file.
        layout: "side-by-side" (must be twice as wide as high) or "single".
    """
    try:
        image = images.decode(path.read_bytes())
        if layout == "side-by-side":
            images.split_side_by_side(image)
    except ImageRejectedError as error:
        return {"event": "rejected", "reason": error.message}
    except OSError as error:
        kind = "disk" if disk.refusal(error) else "internal"
        reason = f"it cannot be read: {error.strerror}"
        return {"event": "failed", "kind": kind, "reason": reason}
    return {"event": "done", "width": image.width, "height": image.height}


def main() -> int:
    """Answer requests until the end of input."""
    libc.die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # An alarm without a handler ends the process: a decoder that loops in C hears nothing else.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    for line in sys.stdin:
        request = json.loads(line)
        signal.alarm(SECONDS_AN_IMAGE)
        answer = inspect(Path(request["image"]), request["layout"])
        signal.alarm(0)
        out.write(json.dumps({"id": request["id"], **answer}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
