"""Makes training batches from files of pairs, always a step before the update needs them.

Every choice (order, crop, flip) is a pure function of the seed and the position in the run. So a
resumed run sees exactly what an undisturbed one would have seen, whatever was fetched ahead.

The jitter is that of the paper. Both images are resized once, directly from the file to 286/256 of
the model's size, with the one filter of `pixd.images.decode`. Then both get the same crop and the
same flip. If the whole set fits into memory, each pair is decoded once and its resized pixels stay
there as uint8; if not, pairs are decoded again. With `fit: tile` pairs stay at their own scale, and
the crop has the model's size, so the network is trained on what a tile shows it later. Threads of
this process work ahead of the loop. numpy's and Pillow's inner loops and TensorFlow's step all
release the interpreter, so they run at the same time.

Source: Isola et al. 2017, arXiv:1611.07004, section 6.2 (random jitter).
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixd.config.pair_kinds import KINDS
from pixd.config.value_range import are_ids_in, bits_in
from pixd.images import input_makers, pair_files
from pixd.pix2pix.network.codec import codec_for
from pixd.system import machine
from pixd.system.children.task import DataError
from pixd.system.errors import ImageRejectedError

JITTER_NUMERATOR: Final = 286  # of 256: Isola et al., section 6.2
JITTER_DENOMINATOR: Final = 256
BATCHES_AHEAD: Final = 4
CACHE_SHARE: Final = 0.25  # share of the memory that is available at the start
CACHE_MAX_BYTES: Final = 8 << 30
_ORDER, _JITTER = 0, 1  # separate streams of random numbers from one seed

Pixels = NDArray[np.uint8]  # (size, size, 3), RGB
_Loaded = TypeVar("_Loaded")
Batch = NDArray[np.float32]  # (batch, size, size, channels) in [-1, 1]


def jitter_size(image_size: int) -> int:
    """Return the side in pixels to which images are resized before the random crop."""
    return round(image_size * JITTER_NUMERATOR / JITTER_DENOMINATOR)


def load_pair(
    pair: Mapping[str, Any], recipe: Mapping[str, Any], size: int, *, keeps_colours: bool = False
) -> tuple[Pixels, Pixels]:
    """Decode one pair of the run spec.

    Args:
        pair: ``name`` and ``images``, the paths of one or two files.
        recipe: only its ``pairs``, ``direction``, ``fit``, ``labels`` and ``value_range`` are used.
        size: side in pixels.
        keeps_colours: of a label map, for people; see `pixd.images.fitting.to_model`.

    Returns:
        input_image and target, each (size, size, 3) uint8.

    Raises:
        DataError: a file is missing or is not an image; the message names the pair.
    """
    return _named(
        pair,
        lambda paths: pair_files.load_pair(
            paths,
            recipe["pairs"],
            recipe["direction"],
            size,
            recipe["fit"],
            bits=bits_in(recipe),
            are_ids=are_ids_in(recipe),
            keeps_colours=keeps_colours,
        ),
    )


def load_target(pair: Mapping[str, Any], recipe: Mapping[str, Any], size: int) -> Pixels:
    """Decode only the target of one pair of the run spec, as `load_pair` returns it.

    Raises:
        DataError: its file is missing or is not an image; the message names the pair.
    """
    return _named(
        pair,
        lambda paths: pair_files.load_target(
            paths,
            recipe["pairs"],
            recipe["direction"],
            size,
            recipe["fit"],
            bits=bits_in(recipe),
        ),
    )


def load_whole_pair(
    pair: Mapping[str, Any], recipe: Mapping[str, Any], size: int
) -> tuple[Pixels, Pixels]:
    """Decode one pair of the run spec at its own scale; see `fitting.load_whole_pair`.

    Raises:
        DataError: a file is missing or is not an image; the message names the pair.
    """
    return _named(
        pair,
        lambda paths: pair_files.load_whole_pair(
            paths,
            recipe["pairs"],
            recipe["direction"],
            size,
            bits=bits_in(recipe),
            are_ids=are_ids_in(recipe),
        ),
    )


def _named(pair: Mapping[str, Any], load: Callable[[list[Path]], _Loaded]) -> _Loaded:
    try:
        return load([Path(path) for path in pair["images"]])
    except (ImageRejectedError, OSError) as error:
        reason = error.message if isinstance(error, ImageRejectedError) else str(error)
        raise DataError(
            f"{pair['name']}: {reason}", advice="take the pair out of the training folder"
        ) from error


def random_crop(
    input_image: Pixels,
    target: Pixels,
    image_size: int,
    random: np.random.Generator,
    *,
    flip: bool,
) -> tuple[Pixels, Pixels]:
    """Cut the same square out of both pictures, of any shape, and mirror both or neither.

    Args:
        input_image: (height, width, 3) uint8, no side below image_size.
        target: the same shape.
        image_size: side of the result in pixels.
        random: random generator; each call draws the same number of times.
        flip: whether to mirror left to right half of the time.

    Returns:
        Views of both, (image_size, image_size, 3).
    """
    # Differs from `random_jitter`: for two bounds numpy draws other numbers than for one.
    corner = [int(random.integers(0, side - image_size + 1)) for side in target.shape[:2]]
    is_mirrored = bool(random.integers(0, 2)) and flip
    return (
        _square(input_image, corner, image_size, is_mirrored=is_mirrored),
        _square(target, corner, image_size, is_mirrored=is_mirrored),
    )


def random_jitter(
    input_image: Pixels,
    target: Pixels,
    image_size: int,
    random: np.random.Generator,
    *,
    flip: bool,
) -> tuple[Pixels, Pixels]:
    """Cut the same square out of both, and mirror both or neither.

    Args:
        input_image: (side, side, 3) uint8, side >= image_size.
        target: the same shape.
        image_size: side of the result in pixels.
        random: random generator; each call draws the same number of times.
        flip: whether to mirror left to right half of the time.

    Returns:
        Views of both, (image_size, image_size, 3).
    """
    room = input_image.shape[0] - image_size
    corner = [int(offset) for offset in random.integers(0, room + 1, 2)]
    is_mirrored = bool(random.integers(0, 2)) and flip
    return (
        _square(input_image, corner, image_size, is_mirrored=is_mirrored),
        _square(target, corner, image_size, is_mirrored=is_mirrored),
    )


def _square(pixels: Pixels, corner: Sequence[int], side: int, *, is_mirrored: bool) -> Pixels:
    """Return a view of the square at `corner`, (top, left), mirrored left to right or not."""
    top, left = corner
    return pixels[top : top + side, left : left + side][:, :: -1 if is_mirrored else 1]


class TrainingPairs:
    """The training set, decoded when first needed and kept if the whole of it fits."""

    def __init__(self, pairs: Sequence[Mapping[str, Any]], recipe: Mapping[str, Any]) -> None:
        """Decode nothing yet.

        Args:
            pairs: the run spec's ``train``; their order is part of the result.
            recipe: the run spec's recipe.

        Raises:
            DataError: there are no pairs.
            EdgesMissingError: outlines are wanted, and OpenCV is not installed.
        """
        input_makers.require(recipe["pairs"])
        if not pairs:
            raise DataError("no pairs to train on", advice="put pairs into the training folder")
        self._pairs = list(pairs)
        self._recipe = recipe
        self._codec = codec_for(recipe["pairs"])
        self._image_size = int(recipe["image_size"])
        self._is_whole = recipe["fit"] == "tile"
        self._side = jitter_size(self._image_size) if recipe["jitter"] else self._image_size
        self._room_bytes = min(CACHE_MAX_BYTES, int(machine.free_bytes() * CACHE_SHARE))
        # At their own scale pairs can have any size. As many are kept as fit into memory.
        needed = 0 if self._is_whole else len(self._pairs) * 2 * 3 * self._side**2
        self._is_kept = needed <= self._room_bytes
        self._kept: dict[int, tuple[Pixels, Pixels]] = {}
        self._kept_bytes = 0

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def batch_of(self, step: int) -> tuple[Batch, Batch]:
        """Return the batch that step `step` (from 0) trains on.

        Epochs follow each other without a gap: one batch may have pairs of two epochs.

        Returns:
            input_image and target, each (batch, image_size, image_size, channels) float32 in
            [-1, 1], with the channels that the recipe's networks have.

        Raises:
            DataError: see `load_pair`.
        """
        size, count = self._image_size, int(self._recipe["batch_size"])
        inputs = np.empty((count, size, size, self._codec.input_channels), np.float32)
        targets = np.empty((count, size, size, self._codec.output_channels), np.float32)
        for slot in range(count):
            position = step * count + slot
            epoch, place = divmod(position, len(self._pairs))
            index = int(epoch_order(self._recipe["seed"], epoch, len(self._pairs))[place])
            random = _random(self._recipe["seed"], _JITTER, position)
            input_image, target = self._cut(index, random)
            inputs[slot] = self._codec.input_values(input_image)
            targets[slot] = self._codec.target_values(target)
        return inputs, targets

    def _cut(self, index: int, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return the square of a pair that a step sees, chosen by `random`."""
        pairs, flip = self._recipe["pairs"], bool(self._recipe["flip"])
        if not self._is_whole:
            cut = random_jitter(*self._decoded(index), self._image_size, random, flip=flip)
            return input_makers.input_after_jitter(*cut, pairs), cut[1]
        cut = random_crop(*self._decoded(index), self._image_size, random, flip=flip)
        if not KINDS[pairs].is_made:
            return cut
        target = np.ascontiguousarray(cut[1])
        return input_makers.input_of(target, pairs), target

    def _decoded(self, index: int) -> tuple[Pixels, Pixels]:
        # Two threads may decode the same pair at once; they get the same pixels.
        kept = self._kept.get(index)
        if kept is None:
            if self._is_whole:
                kept = load_whole_pair(self._pairs[index], self._recipe, self._image_size)
                is_kept = self._kept_bytes + 2 * kept[0].nbytes <= self._room_bytes
            else:
                kept = load_pair(self._pairs[index], self._recipe, self._side)
                is_kept = self._is_kept
            if is_kept:
                self._kept[index] = kept
                self._kept_bytes += 2 * kept[0].nbytes
        return kept


class Prefetcher:
    """Makes the batches of the next steps while the current one is trained on."""

    def __init__(self, pairs: TrainingPairs, *, start: int, steps: int) -> None:
        """Begin with the batch of step `start`; there are `steps` in all."""
        self._pairs = pairs
        self._range = iter(range(start, steps))
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="batch")
        self._ahead: deque[Future[tuple[Batch, Batch]]] = deque()
        for _ in range(BATCHES_AHEAD):
            self._request_next()

    def __iter__(self) -> Iterator[tuple[Batch, Batch]]:
        """Yield the batches in order; raise `DataError` here if a pair cannot be read."""
        while self._ahead:
            batch = self._ahead.popleft().result()
            self._request_next()
            yield batch

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the threads; batches that they have not begun are dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _request_next(self) -> None:
        with contextlib.suppress(StopIteration):
            self._ahead.append(self._threads.submit(self._pairs.batch_of, next(self._range)))


@functools.lru_cache(maxsize=4)  # at an epoch's end, threads already work on the next one
def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order of the pairs in one epoch, a function of its arguments alone."""
    return _random(seed, _ORDER, epoch).permutation(count)


def steps_of(recipe: Mapping[str, Any], pairs: int) -> int:
    """Return how many updates a run makes: ``steps``, or enough for ``epochs`` times every pair."""
    if recipe["steps"] is not None:
        return int(recipe["steps"])
    return -(-int(recipe["epochs"]) * pairs // int(recipe["batch_size"]))


def _random(seed: int, stream: int, position: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, position))))
