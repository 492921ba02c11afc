"""The child of `pixd teach` that makes a pair of an input and its retouched output.

The files come from a person's disk and may be hostile, so it has limited memory and time
(`pixd.system.children.confinement`), and writes no file.

Protocol (`pixd.system.children.confined_child`): it reads ``{"input", "target", "output", "text"}``,
three paths (``output`` may be null) and the text chunks of what it makes. It answers ``done`` with
``files``, a list of [place, bytes], which the bytes of the files follow; ``untouched`` if the
target shows what the output shows; or ``rejected`` with a reason and ``source``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pixd.config.pair_kinds import KINDS
from pixd.images import decode, fitting
from pixd.images.picture import TOO_MUCH_MEMORY
from pixd.images.png import encode_png
from pixd.system.children import child, confinement
from pixd.system.children.spec import TeachSpec
from pixd.system.errors import ImageRejectedError
from pixd.training.prepare import making

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pixd.images.decode import Limits

SAME_SHAPE = 0.02
"""Two pictures have one shape if their proportions differ by less than this share."""
BLOCK = 8
"""Pixels; the side of the blocks that JPEG and WebP code. The mean of a block outlives a saving."""
TOUCHED_LEVELS = 6.0
"""Mean over the channels. Saving again, also as JPEG of quality 50, moves the mean of no block by so
much: 4.8 at most was seen on a drawn facade."""

Answer = tuple[dict[str, Any], tuple[bytes, ...]]


def answer(spec: TeachSpec, request: dict[str, Any], limits: Limits) -> Answer:
    """Make the files of a pair.

    Args:
        spec: the layout.
        request: as the protocol above says.
        limits: what is too large.
    """
    pictures: dict[str, Image.Image] = {}
    for source in ("target", "output", "input"):
        if request[source] is None:
            continue
        try:
            pictures[source] = decode.decode_file(Path(request[source]), limits)
        except ImageRejectedError as error:
            return {"event": "rejected", "source": source, "reason": error.message}, ()
        except MemoryError:
            return {"event": "rejected", "source": source, "reason": TOO_MUCH_MEMORY}, ()
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            return {"event": "rejected", "source": source, "reason": reason}, ()
    if "output" in pictures and is_untouched(pictures["target"], pictures["output"]):
        return {"event": "untouched"}, ()
    try:
        files = _files(spec, pictures["input"], pictures["target"])
    except ImageRejectedError as error:
        return {"event": "rejected", "source": "target", "reason": error.message}, ()
    made = [(place, encode_png(picture, request["text"])) for place, picture in files]
    listed = [[place, len(data)] for place, data in made]
    count = sum(len(data) for _, data in made)
    return {"event": "done", "files": listed, "bytes": count}, tuple(data for _, data in made)


def is_untouched(target: Image.Image, output: Image.Image) -> bool:
    """Tell whether a picture shows what an output shows: it was at most saved or scaled anew.

    Args:
        target: mode RGB.
        output: mode RGB.
    """
    if target.size == output.size and np.array_equal(np.asarray(target), np.asarray(output)):
        return True
    if not _is_one_shape(target.size, output.size):
        return False
    size = (min(target.width, output.width), min(target.height, output.height))
    means = [_block_means(making.fitted(picture, size, "stretch")) for picture in (target, output)]
    return bool(np.abs(means[0] - means[1]).mean(axis=2).max() < TOUCHED_LEVELS)


def _files(
    spec: TeachSpec, source: Image.Image, target: Image.Image
) -> list[tuple[str, Image.Image]]:
    """Return the pictures to write, each with its place: "" for a single one, "a" or "b"."""
    kind = KINDS[spec.pairs]
    if kind.is_made:
        return [("", target)]
    halves = [*_one_size(source, target, spec.fit)]
    if spec.direction == "BtoA":
        halves.reverse()
    if kind.is_side_by_side:
        return [("", making.beside(*halves))]
    return list(zip("ab", halves, strict=True))


def _one_size(
    source: Image.Image, target: Image.Image, fit: str
) -> tuple[Image.Image, Image.Image]:
    """Bring the input to what the model saw of it, in the size of the target.

    Raises:
        ImageRejectedError: the target is neither of the input's shape nor a square.
    """
    if _is_one_shape(source.size, target.size):
        return making.fitted(source, target.size, "stretch"), target
    if not _is_one_shape(target.size, (1, 1)) or fit == "tile":
        raise ImageRejectedError(
            f"{target.width} x {target.height} is not the shape of the input"
            f" ({source.width} x {source.height}): was it cropped? An output keeps its size"
        )
    side = target.width
    square, _ = fitting.to_model(source, side, fit)
    return Image.fromarray(square), making.fitted(target, (side, side), "stretch")


def _is_one_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return abs((a[0] * b[1]) / (a[1] * b[0]) - 1) < SAME_SHAPE


def _block_means(picture: Image.Image) -> NDArray[np.float64]:
    pixels = np.asarray(picture, np.float64)
    high, wide = (max(1, side // BLOCK) for side in pixels.shape[:2])
    deep, across = min(BLOCK, pixels.shape[0]), min(BLOCK, pixels.shape[1])
    whole = pixels[: high * deep, : wide * across]
    return np.asarray(whole.reshape(high, deep, wide, across, 3).mean(axis=(1, 3)))


def main() -> int:
    """Answer requests until the end of input."""
    spec, events = child.begin(TeachSpec, stdin_fd=-1)
    limits = decode.Limits.of_megapixels(spec.max_megapixels)
    confinement.confine(spec.max_megapixels)
    child.answer_requests(
        events, lambda asked: answer(spec, asked, limits), megapixels=spec.max_megapixels
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
