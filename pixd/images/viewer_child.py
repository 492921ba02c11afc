"""The child of the page that decodes pictures for people: hostile bytes in, WebP and PNG out.

The page's process decodes nothing. This one does, as training and translation do, so that what a
person sees is what the model sees, whatever a browser would make of the same file. It is bounded by
`pixd.system.children.confinement` and writes no file.

Protocol (`pixd.system.children.confined_child`): each request has ``want``, and the answer is
``done`` with ``bytes``, which the picture follows; or ``rejected`` or ``failed`` with a reason.

``thumb``, with ``image`` and ``side``: a WebP that fits into a square of so many pixels.
``view``, with ``image`` and ``most``: a PNG, made smaller only if a side is over ``most`` pixels.
``square``, with ``image``, ``size`` and ``fit``: a PNG as the model sees it, or with
``keeps_colours`` as a person can draw on it (`pixd.images.fitting.to_model`).
``pair``, with ``images``, ``pairs``, ``direction``, ``size``, ``fit`` and ``part``: a PNG of the
input or the target of a training pair, as the model sees it; ``keeps_colours`` as above.
``palette``, with ``all`` (the files of each pair), ``pairs``, ``direction``, ``size`` and ``fit``:
no picture, but ``colours``, which the inputs of these pairs have (`pixd.images.palette_of_set`).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pixd.images import failures, fitting, pair_files, palette_of_set
from pixd.images.decode import DEFAULT_LIMITS, Limits, open_file
from pixd.images.png import encode_png
from pixd.images.value_use import WIDE
from pixd.system.children import child, confinement
from pixd.system.children.spec import DecodeSpec
from pixd.system.errors import ImageRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.system.children.child import Answer

THUMB_QUALITY = 80


def answer(
    request: Mapping[str, Any],
    limits: Limits = DEFAULT_LIMITS,
    *,
    bits: int = WIDE,
    are_ids: bool = False,
) -> Answer:
    """Answer one request.

    Args:
        request: as the protocol above says.
        limits: what is too large.
        bits: how many are used of a file of 16 bits.
        are_ids: whether inputs are class ids, which are shown in colours of their own.
    """
    try:
        if request["want"] == "palette":
            return {"event": "done", "colours": _palette(request, bits, are_ids=are_ids)}, ()
        data = _picture(request, limits, bits, are_ids=are_ids)
    except failures.ERRORS as error:
        return failures.event_of(error), ()
    return {"event": "done", "bytes": len(data)}, (data,)


def _picture(request: Mapping[str, Any], limits: Limits, bits: int, *, are_ids: bool) -> bytes:
    want = request["want"]
    if want == "pair":
        both = _pair(request, request["images"], bits, are_ids=are_ids)
        return encode_png(Image.fromarray(both[request["part"] == "target"]), {})
    picture = open_file(Path(request["image"]), limits, bits=bits, are_ids=are_ids).rgb()
    if want == "square":
        size, fit = int(request["size"]), str(request["fit"])
        keeps = bool(request.get("keeps_colours"))
        square, _ = fitting.to_model(picture, size, fit, keeps_colours=keeps)
        return encode_png(Image.fromarray(square), {})
    most = int(request["side"] if want == "thumb" else request["most"])
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.LANCZOS)
    if want == "view":
        return encode_png(picture, {})
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=THUMB_QUALITY, method=4)
    return out.getvalue()


def _pair(request: Mapping[str, Any], images: list[str], bits: int, *, are_ids: bool) -> Any:
    return pair_files.load_pair(
        [Path(image) for image in images],
        str(request["pairs"]),
        str(request["direction"]),
        int(request["size"]),
        # Tiles are cut out of a picture at its own scale; as one square it is shown whole.
        "pad" if request["fit"] == "tile" else str(request["fit"]),
        bits=bits,
        are_ids=are_ids,
        keeps_colours=bool(request.get("keeps_colours")),
    )


def _palette(request: Mapping[str, Any], bits: int, *, are_ids: bool) -> dict[str, Any]:
    count = palette_of_set.Count()
    for images in request["all"]:
        try:
            halves = pair_files.input_half(
                [Path(image) for image in images],
                str(request["pairs"]),
                str(request["direction"]),
                bits=bits,
                are_ids=are_ids,
            )
        except (ImageRejectedError, OSError):
            continue  # a file that is gone or damaged has no say
        count.add(halves)
    return count.told()


def main() -> int:
    """Answer requests until the end of input."""
    spec, events = child.begin(DecodeSpec, stdin_fd=-1)
    limits = Limits.of_megapixels(spec.max_megapixels)
    confinement.confine(spec.max_megapixels)
    child.answer_requests(
        events,
        lambda asked: answer(asked, limits, bits=spec.bits, are_ids=spec.are_ids),
        megapixels=spec.max_megapixels,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
