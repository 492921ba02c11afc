"""The child of the translator that decodes inputs: hostile bytes in, plain pixels out.

TensorFlow runs in the translator, where neither memory nor time can be bounded for one image
alone. So this process decodes, and `pixd.system.children.confinement` bounds it. It may die: it has
one image at a time, so that it is known which image ended it, and the translator goes on.

Its run spec says how large an image it takes. Protocol: each line in is a JSON object such as
``{"image", "want"}``. The answer is one line, ``{"event": "done", "width", "height", "bytes",
...}``, followed by that many bytes; or the event is ``rejected`` or ``failed``, with a reason. The
values of ``want``:

``square``, with ``size`` and ``fit``: size * size * 3 bytes of RGB; ``box`` and ``has_alpha`` say
how it came about, and ``values`` which values the file uses, where they are odd
(`pixd.images.value_use`); so it is with ``rows``. ``lightness``: the whole picture as grey, a byte a pixel. ``alpha``, with ``size``
(null for the source's) and ``fit``: how opaque the output is, a byte a pixel. ``rows``: the whole
picture from top to bottom, ``channels`` bytes a pixel, 4 if it has transparency and ``alpha`` is
true. It is converted while the reader reads it, however slowly. With ``size`` and ``most``, a
picture of more than ``most`` tiles is not decoded, and the event is ``large``.

The end of input ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.images import failures, fitting, tiles
from pixd.images.decode import DEFAULT_LIMITS, Limits, open_picture, read_file, size_of
from pixd.images.picture import BAND_PIXELS
from pixd.images.value_use import WIDE
from pixd.system.children import child, confinement
from pixd.system.children.spec import DecodeSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pixd.images.picture import Picture
    from pixd.system.children.child import Answer


def decode(
    request: Mapping[str, Any],
    limits: Limits = DEFAULT_LIMITS,
    *,
    bits: int = WIDE,
    are_ids: bool = False,
) -> Answer:
    """Decode one image; return the event that says how it went, and the pixels if it did.

    Args:
        request: as the protocol above says.
        limits: what is too large.
        bits: how many are used of a file of 16 bits.
        are_ids: whether the values are class ids, which are shown in colours of their own.
    """
    try:
        return _answer(request, limits, bits, are_ids=are_ids)
    except failures.ERRORS as error:
        return failures.event_of(error), ()


def _answer(request: Mapping[str, Any], limits: Limits, bits: int, *, are_ids: bool) -> Answer:
    data, want = read_file(Path(request["image"]), limits), request["want"]
    if want == "rows" and request["most"] is not None:
        size = size_of(data, limits)
        if tiles.count_of(*size, request["size"]) > request["most"]:
            return {"event": "large"}, ()
    picture = open_picture(data, limits, bits=bits, are_ids=are_ids)
    event = {"event": "done", "width": picture.size[0], "height": picture.size[1]}
    if want in {"square", "rows"}:
        values = picture.values()
        is_odd = values is not None and values.is_odd((1 << bits) - 1) and not are_ids
        event["values"] = values.told() if values and is_odd else None
    if want == "rows":
        mode = "RGBA" if request["alpha"] and picture.has_alpha else "RGB"
        count = picture.size[0] * picture.size[1] * len(mode)
        return {**event, "channels": len(mode), "bytes": count}, _rows(picture, mode)
    if want == "square":
        pixels, framing = fitting.to_model(picture.rgb(), request["size"], request["fit"])
        event |= {"box": framing.box, "has_alpha": picture.has_alpha}
    elif want == "alpha":
        pixels = fitting.alpha_of(picture, request["size"], request["fit"])
        event |= {"width": pixels.shape[1], "height": pixels.shape[0]}
    else:
        pixels = fitting.lightness(picture.rgb())
    return {**event, "bytes": pixels.nbytes}, (pixels.tobytes(),)


def _rows(picture: Picture, mode: str) -> Iterable[bytes]:
    width, height = picture.size
    step = max(1, BAND_PIXELS // width)
    # Convert the first band before the answer: if the values cannot be converted, it fails here.
    first = picture.rows(0, min(step, height), mode).tobytes()

    def rest() -> Iterator[bytes]:
        yield first
        for top in range(step, height, step):
            yield picture.rows(top, min(top + step, height), mode).tobytes()

    return rest()


def main() -> int:
    """Answer requests until the end of input."""
    spec, events = child.begin(DecodeSpec, stdin_fd=-1)
    megapixels = spec.max_megapixels
    limits = Limits.of_megapixels(megapixels)
    confinement.confine(megapixels)
    child.answer_requests(
        events,
        lambda asked: decode(asked, limits, bits=spec.bits, are_ids=spec.are_ids),
        megapixels=megapixels,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
