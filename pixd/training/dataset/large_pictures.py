"""Training pictures that are far larger than the model's square. Pure.

They teach nothing more than small copies, and a training decodes them: once if the whole set fits
into memory at the model's size, else at each epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pixd.config.pair_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixd.training.dataset.near_duplicates import Parts

MUCH_LARGER: Final = 8
"""Times image_size. At 256 px, decoding a pair then takes about as long as a step on a processor."""


class Told(NamedTuple):
    """What was found, what to do, and the files with their sizes."""

    message: str
    advice: str
    files: tuple[str, ...]


def told(seen: Iterable[tuple[str, Parts]], image_size: int, pairs: str, fit: str) -> Told | None:
    """Name the pairs that are far larger than the square; None if there are none.

    Args:
        seen: name and what was measured of each pair.
        image_size: side of the model's square, pixels.
        pairs: kind of the pairs, as in config.yaml.
        fit: as in config.yaml. With "tile", pairs are trained on at their own scale.
    """
    sides = [(name, max(max(part.width, part.height) for part in parts)) for name, parts in seen]
    large = [(name, side) for name, side in sides if side >= MUCH_LARGER * image_size]
    if not large or fit == "tile":
        return None
    times = min(side for _, side in large) // image_size
    # Twice the square: the jitter needs a little more than once, and image_size may be doubled.
    square = 2 * image_size
    size = f"{2 * square}x{square}" if KINDS[pairs].is_side_by_side else str(square)
    how = f" --fit {fit}" if fit != "pad" else ""
    count = "1 pair is" if len(large) == 1 else f"{len(large)} pairs are"
    return Told(
        f"{count} {times} times as large as image_size {image_size}, or more: a training mostly"
        " decodes them",
        f"`pixd prepare resize FOLDER SMALL --size {size}{how}` makes small copies; they teach the"
        " same",
        tuple(f"{name}: {side} px" for name, side in large),
    )
