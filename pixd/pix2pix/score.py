"""The scoring worker: ``python -m pixd.pix2pix.score SPEC.json``.

Scores folders of translated images against their targets, and also baselines that have learned
nothing: the input itself, the mean target, one colour matrix for all pixels, and the target of the
nearest training input. Imports no TensorFlow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.config.value_range import MOST_BITS
from pixd.images import decode, fitting, pair_files
from pixd.pix2pix.learning import scores
from pixd.system.children import task
from pixd.system.children.child import Events
from pixd.system.children.spec import ScoreSpec
from pixd.system.children.spec_parts import ScoredPair, Triple

STRIDE_PX: Final = 8  # baselines use every eighth pixel of every eighth row

Pixels = NDArray[np.uint8]
Pair = tuple[scores.Image, scores.Image]


def score_runs(spec: ScoreSpec, events: Events) -> None:
    """Score every run and baseline of the spec and leave the result."""
    events.phase("validating")
    task.write_result(spec, metrics={"rows": rows_of(spec, events)})


def rows_of(spec: ScoreSpec, events: Events) -> dict[str, dict[str, Any]]:
    """Return the table: row name -> ``l1``, ``psnr``, ``ssim``, ``sharpness`` and ``n``.

    Raises:
        ImageRejectedError: an image of the spec cannot be decoded.
        OSError: it does not exist.
    """
    size, triples = spec.size, spec.triples
    values: dict[str, Any] = {"bits": spec.bits, "are_ids": spec.are_ids}
    rows: dict[str, dict[str, Any]] = {}

    def given(triple: Triple) -> Pixels:
        return load(triple["input"], size, **values)

    def add(name: str, pairs: Iterator[Pair]) -> None:
        rows[name] = scores.score(_beating(pairs, events))

    def targets() -> Iterator[tuple[Triple, Pixels]]:
        for triple in triples:
            yield triple, load(triple["target"], size, bits=spec.bits)

    add("identity", ((given(triple), target) for triple, target in targets()))
    if spec.train:
        baselines = Baselines(spec.train, spec.direction, size, events, **values)
        add("mean target", ((baselines.mean, target) for _, target in targets()))
        add(
            "colour matrix",
            ((baselines.recoloured(given(triple)), target) for triple, target in targets()),
        )
        add(
            "nearest input",
            ((baselines.nearest(given(triple)), target) for triple, target in targets()),
        )
    for name, outputs in spec.runs.items():
        add(
            name,
            (
                (load(outputs[triple["name"]], size), target)
                for triple, target in targets()
                if triple["name"] in outputs
            ),
        )
    return rows


class Baselines:
    """Translators that know only averages and nearest neighbours of the training pairs."""

    def __init__(
        self,
        train: Sequence[ScoredPair],
        direction: str,
        size: int,
        events: Events,
        *,
        bits: int = MOST_BITS,
        are_ids: bool = False,
    ) -> None:
        """Read the training pairs once, keeping every `STRIDE_PX`-th pixel.

        Args:
            train: paths of ``input`` and ``target``, or of ``pair``.
            direction: which half of a ``pair`` is the input, AtoB or BtoA.
            size: side in pixels.
            events: gets heartbeats.
            bits: how many are used of a file of 16 bits.
            are_ids: whether inputs are class ids.
        """
        self._train = train
        self._load = partial(
            load_training_pair, direction=direction, size=size, bits=bits, are_ids=are_ids
        )
        thumbnails: list[NDArray[np.uint8]] = []
        normal, moments = np.zeros((4, 4)), np.zeros((4, 3))

        def each_target() -> Iterator[Pixels]:
            nonlocal normal, moments
            for pair in train:
                events.beat()
                pixels, target = self._load(pair)
                thumbnails.append(_thumbnail(pixels))
                known = _with_one(_thumbnail(pixels))
                normal += known.T @ known
                moments += known.T @ _thumbnail(target).reshape(-1, 3)
                yield target

        self.mean = scores.mean_image(each_target())
        self._matrix = np.linalg.lstsq(normal, moments, rcond=None)[0]  # (4, 3)
        self._thumbnails = np.stack(thumbnails).astype(np.int16)

    def recoloured(self, pixels: Pixels) -> NDArray[np.float64]:
        """Map each pixel's colour by the affine map that fits the training pairs best."""
        return np.clip(_with_one(pixels) @ self._matrix, 0, 255).reshape(pixels.shape)

    def nearest(self, pixels: Pixels) -> Pixels:
        """Return the target of the training pair whose input is nearest in L1."""
        distances = np.abs(self._thumbnails - _thumbnail(pixels)).sum(axis=(1, 2, 3))
        return self._load(self._train[int(distances.argmin())])[1]


def load(path: str, size: int, *, bits: int = MOST_BITS, are_ids: bool = False) -> Pixels:
    """Read an image as (size, size, 3) uint8, stretched.

    Args:
        path: of the image.
        size: side in pixels.
        bits: how many are used of a file of 16 bits.
        are_ids: whether it shows class ids, which get colours of their own. One that has colours is
            taken as it is.

    Raises:
        ImageRejectedError: it is not an image that pixd accepts.
        OSError: it cannot be read.
    """
    picture = decode.open_file(Path(path), bits=bits)
    coloured = picture.coloured_ids((0, 0, *picture.size)) if are_ids else None
    return fitting.to_model(coloured or picture.rgb(), size, "stretch")[0]


def load_training_pair(
    pair: ScoredPair,
    direction: str,
    size: int,
    *,
    bits: int = MOST_BITS,
    are_ids: bool = False,
) -> tuple[Pixels, Pixels]:
    """Read input and target of a line of ``train``.

    Args:
        pair: the line.
        direction: which half of a ``pair`` is the input.
        size: side in pixels.
        bits: as for `load`.
        are_ids: as for `load`, about the input.

    Raises:
        ImageRejectedError: one is not an image that pixd accepts.
        OSError: it cannot be read.
    """
    if "pair" in pair:
        path, kind = Path(pair["pair"]), "side-by-side"
        return pair_files.load_pair(
            [path], kind, direction, size, "stretch", bits=bits, are_ids=are_ids
        )
    given = load(pair["input"], size, bits=bits, are_ids=are_ids)
    return given, load(pair["target"], size, bits=bits)


def _thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    return pixels[::STRIDE_PX, ::STRIDE_PX]


def _with_one(pixels: Pixels) -> NDArray[np.float64]:
    colours = pixels.reshape(-1, 3).astype(np.float64)
    return np.concatenate([colours, np.ones((len(colours), 1))], axis=1)


def _beating(pairs: Iterator[Pair], events: Events) -> Iterator[Pair]:
    for pair in pairs:
        events.beat()
        yield pair


if __name__ == "__main__":
    sys.exit(task.run(ScoreSpec, score_runs))
