"""The child that looks at new training images: is it a picture, and does it fit the layout?

It needs only Pillow, not TensorFlow, so it starts in a fifth of a second. It decodes hostile bytes
instead of the service: this process has limited memory and time
(`pixd.system.children.confinement`), and it may crash.

Protocol, one JSON object a line: it sends ``ready`` once. Then it reads ``{"id", "image",
"layout", "bits"}`` and answers in the same order. ``done`` has width, height and the measured parts
(`pixd.training.dataset.measures`). ``rejected`` and ``failed`` have a reason; ``rejected`` also has
width and height if only the shape is wrong. The end of input ends it.

It also compares the pairs of a large folder: ``{"id", "compare", "answer"}`` names a file with the
measures (`pixd.training.dataset.comparing`), and the file in the service's scratch folder that gets
the answer. It sends ``progress`` meanwhile, then ``done``.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.images import decode, failures
from pixd.images.value_use import WIDE
from pixd.system import disk
from pixd.system.children import child, confinement
from pixd.system.children.spec import InspectSpec
from pixd.training.dataset import measures

if TYPE_CHECKING:
    from pixd.system.children.child import Answer, Events

SHOW_EVERY_S: Final = 0.5


def inspect(path: Path, layout: str, bits: int = WIDE) -> dict[str, Any]:
    """Decode one image and return the event that says what it is.

    Args:
        path: the object's file.
        layout: "side-by-side" (see `pixd.images.side_by_side.check`) or "single".
        bits: how many are used of a file of 16 bits.
    """
    size: dict[str, int] = {}
    try:
        picture = decode.open_file(path, bits=bits)
        image = picture.rgb()
        size = {"width": image.width, "height": image.height}
        parts = measures.measure(image, layout, picture)
    except failures.ERRORS as error:
        return {**failures.event_of(error), **size}
    return {"event": "done", **size, "parts": parts}


def main() -> int:
    """Answer requests until the end of input."""
    _, events = child.begin(InspectSpec, stdin_fd=-1)
    confinement.confine()
    events.send("ready")
    child.answer_requests(events, partial(_answer, events), megapixels=confinement.MEGAPIXELS)
    return 0


def _answer(events: Events, request: dict[str, Any]) -> Answer:
    if "compare" in request:
        return _compare(events, request), ()
    image, bits = Path(request["image"]), request.get("bits", WIDE)
    return {"id": request["id"], **inspect(image, request["layout"], bits)}, ()


def _compare(events: Events, request: dict[str, Any]) -> dict[str, Any]:
    # Imported here, because this process starts often and compares seldom.
    from pixd.training.dataset import comparing  # noqa: PLC0415
    from pixd.training.dataset.array_index import ArrayIndex  # noqa: PLC0415
    from pixd.training.dataset.assessment import assess  # noqa: PLC0415

    confinement.lift_time()  # it decodes nothing, and how long it takes depends on the folder
    shown_at = time.monotonic()

    def show(done: int, of: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= SHOW_EVERY_S:
            shown_at = time.monotonic()
            events.send("progress", id=request["id"], done=done, of=of)

    try:
        with Path(request["compare"]).open(encoding="ascii") as lines:
            found = assess(comparing.read(lines), ArrayIndex(), show)
        comparing.write_answer(Path(request["answer"]), found)
    except OSError as error:
        kind = "disk" if disk.refusal(error) else "internal"
        reason = f"the pairs cannot be compared: {error.strerror}"
        return {"id": request["id"], "event": "failed", "kind": kind, "reason": reason}
    return {"id": request["id"], "event": "done"}


if __name__ == "__main__":
    sys.exit(main())
