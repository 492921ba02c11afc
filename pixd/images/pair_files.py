"""The files that make a pair: one file with both side by side, two files, or a target alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pixd.config.pair_kinds import KINDS
from pixd.config.value_range import MOST_BITS
from pixd.images import input_makers, side_by_side
from pixd.images.decode import decode_file, open_file
from pixd.images.fitting import array_of, edge_padded, resized, to_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def load_pair(
    paths: Sequence[Path],
    pairs: str,
    direction: str,
    size: int,
    fit: str,
    *,
    bits: int = MOST_BITS,
    are_ids: bool = False,
    keeps_colours: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read one training pair.

    Args:
        paths: the one side-by-side file, the files of a/ and b/, or the one target.
        pairs: "side-by-side", "folders", or how the input is made from the target
            (`pixd.images.input_makers`).
        direction: "AtoB" or "BtoA"; it means nothing where the input is made.
        size: side of the model's square, pixels.
        fit: "pad", "crop", "stretch" or "tile".
        bits: how many are used of a file of 16 bits.
        are_ids: whether inputs are class ids, which are shown in colours of their own. An input
            that has colours is taken as it is.
        keeps_colours: of a given input, see `pixd.images.fitting.to_model`.

    Returns:
        (input image, target), each uint8 (size, size, 3), RGB.

    Raises:
        ImageRejectedError: a file cannot be used.
        EdgesMissingError: outlines are wanted, and OpenCV is not installed.
        OSError: a file cannot be read.
    """
    if KINDS[pairs].is_made:
        target = to_model(decode_file(paths[0], bits=bits), size, fit)[0]
        return input_makers.input_of(target, pairs), target
    input_image, target_image = _halves(paths, pairs, direction, bits, are_ids=are_ids)
    if fit == "tile":
        target_image = resized(target_image, *input_image.size)
    input_square, _ = to_model(input_image, size, fit, keeps_colours=keeps_colours)
    return input_square, to_model(target_image, size, fit)[0]


def load_target(
    paths: Sequence[Path],
    pairs: str,
    direction: str,
    size: int,
    fit: str,
    *,
    bits: int = MOST_BITS,
) -> NDArray[np.uint8]:
    """Read only the target of a training pair: as `load_pair` returns it, for about half the time.

    Args:
        paths: as for `load_pair`.
        pairs: as for `load_pair`.
        direction: as for `load_pair`.
        size: as for `load_pair`.
        fit: as for `load_pair`.
        bits: as for `load_pair`.

    Raises:
        ImageRejectedError: its file cannot be used.
        OSError: its file cannot be read.
    """
    if KINDS[pairs].is_made:
        return to_model(decode_file(paths[0], bits=bits), size, fit)[0]
    if KINDS[pairs].is_side_by_side or fit == "tile":  # the input is in it, or gives it its size
        return load_pair(paths, pairs, direction, size, fit, bits=bits)[1]
    return to_model(decode_file(paths[direction == "AtoB"], bits=bits), size, fit)[0]


def load_whole_pair(
    paths: Sequence[Path],
    pairs: str,
    direction: str,
    size: int,
    *,
    bits: int = MOST_BITS,
    are_ids: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read one training pair at its own scale, for squares to be cut out of it.

    Args:
        paths: as for `load_pair`.
        pairs: as for `load_pair`. Where inputs are made, they are made later, from the squares.
            Then the target is returned as the input, too.
        direction: as for `load_pair`.
        size: side of the squares, pixels; what is smaller gets its edge pixels repeated.
        bits: as for `load_pair`.
        are_ids: as for `load_pair`.

    Returns:
        (input image, target), each uint8 (height, width, 3) of one shape, RGB.

    Raises:
        ImageRejectedError: a file cannot be used.
        OSError: a file cannot be read.
    """
    if KINDS[pairs].is_made:
        target = edge_padded(array_of(decode_file(paths[0], bits=bits)), size)
        return target, target
    input_image, target_image = _halves(paths, pairs, direction, bits, are_ids=are_ids)
    target_image = resized(target_image, *input_image.size)
    return edge_padded(array_of(input_image), size), edge_padded(array_of(target_image), size)


def input_half(
    paths: Sequence[Path],
    pairs: str,
    direction: str,
    *,
    bits: int = MOST_BITS,
    are_ids: bool = False,
) -> Image.Image:
    """Return the given input of a training pair at its own size, mode RGB.

    Args:
        paths: as for `load_pair`.
        pairs: a kind whose input is given, not made.
        direction: as for `load_pair`.
        bits: as for `load_pair`.
        are_ids: as for `load_pair`.

    Raises:
        ImageRejectedError: a file cannot be used.
        OSError: a file cannot be read.
    """
    return _halves(paths, pairs, direction, bits, are_ids=are_ids)[0]


def _halves(
    paths: Sequence[Path], pairs: str, direction: str, bits: int, *, are_ids: bool
) -> tuple[Image.Image, Image.Image]:
    pictures = [open_file(path, bits=bits) for path in paths]
    if KINDS[pairs].is_side_by_side:
        halves = side_by_side.split(pictures[0].rgb())
    else:
        halves = (pictures[0].rgb(), pictures[1].rgb())
    side = 0 if direction == "AtoB" else 1
    input_image, target = halves[side], halves[1 - side]
    if are_ids:
        # The first or the last columns of the file: a file of one half has just these.
        picture = pictures[side % len(pictures)]
        left = side * (picture.size[0] - input_image.width)
        box = (left, 0, left + input_image.width, input_image.height)
        input_image = picture.coloured_ids(box) or input_image
    return input_image, target
