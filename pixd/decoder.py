"""The child of the translator that decodes inputs: hostile bytes in, the model's square out.

TensorFlow lives in the translator, where neither memory nor time can be bounded for one image
alone. So this process decodes (`pixd.confinement` bounds it) and may die: which image ended it
is known, since it has one at a time, and the warm network next door never notices.

Protocol: ``{"image", "size", "fit"}`` in, a JSON object a line. Out comes one line:
``{"event": "done", "width", "height", "box", "bytes"}`` followed by as many bytes, which are
size * size * 3 of RGB; ``rejected`` or ``failed`` with a reason. Without a size, what follows is
the whole picture's lightness as grey, a byte a pixel. The end of input ends it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pixd import confinement, disk, images
from pixd.errors import ImageRejectedError


def decode(path: Path, size: int | None, fit: str) -> tuple[dict[str, Any], bytes]:
    """Decode one image; return the event that says how it went, and the pixels if it did.

    Args:
        path: the object's file.
        size: side of the model's square, pixels; None for the whole picture's lightness.
        fit: "pad", "crop" or "stretch"; of the square.
    """
    try:
        image = images.decode_file(path)
        if size is None:
            pixels, box = images.lightness(image), (0, 0, *image.size)
        else:
            pixels, framing = images.to_model(image, size, fit)
            box = framing.box
    except ImageRejectedError as error:
        return {"event": "rejected", "reason": error.message}, b""
    except MemoryError:
        return {"event": "rejected", "reason": images.TOO_MUCH_MEMORY}, b""
    except OSError as error:
        kind = "disk" if disk.refusal(error) else "internal"
        reason = f"it cannot be read: {error.strerror}"
        return {"event": "failed", "kind": kind, "reason": reason}, b""
    event = {
        "event": "done",
        "width": image.width,
        "height": image.height,
        "box": box,
        "bytes": pixels.nbytes,
    }
    return event, pixels.tobytes()


def main() -> int:
    """Answer requests until the end of input."""
    confinement.confine()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    for line in sys.stdin:
        request = json.loads(line)
        with confinement.one_image():
            event, pixels = decode(Path(request["image"]), request["size"], request["fit"])
        out.write(json.dumps(event).encode() + b"\n" + pixels)
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
