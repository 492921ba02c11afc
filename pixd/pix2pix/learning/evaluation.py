"""Scores a generator on the held-out pairs, and baselines that have learned nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.own_targets import compare_with_others
from pixd.pix2pix.learning.scores import (
    is_collapsed,
    is_identity_like,
    mean_image,
    mean_scores,
    score,
    score_one,
)
from pixd.pix2pix.network.generator import (
    Inference,
    generate,
    image_size_of,
    load_generator,
    make_inference,
)

VALIDATION_PAIRS: Final = 64  # at most, during the training
FINAL_PAIRS: Final = 500  # at most, at the end: a few minutes on two cores
MEAN_PAIRS: Final = 400  # at most, for the mean target
KEPT_PAIRS: Final = 64  # of whose pictures the checks are made that need several at once

Pixels = NDArray[np.uint8]


def validate(
    infer: Inference, held_out: HeldOut, limit: int, *, compares: bool = False
) -> dict[str, Any]:
    """Score a generator on the first `limit` held-out pairs.

    Returns:
        ``l1``, ``psnr``, ``ssim``, ``sharpness``, ``n``, ``collapsed``, ``identity_like``, under
        ``common`` the scores and ``n`` of the pairs that neither model was trained on, and under
        ``others``, if it `compares`, how its outputs fit the targets of other pairs, or None where
        it has too few.
    """
    inputs: list[Pixels] = []
    outputs: list[Pixels] = []
    targets: list[Pixels] = []
    scores: list[dict[str, float | None]] = []
    for input_image, target in held_out.decoded(limit):
        output = generate(infer, [input_image])[0]
        scores.append(score_one(output, target))
        if len(outputs) < KEPT_PAIRS:
            inputs.append(input_image)
            outputs.append(output)
            targets.append(target)
    common = [one for one, is_common in zip(scores, held_out.are_common, strict=False) if is_common]
    told = {"others": compare_with_others(outputs, targets)} if compares else {}
    return {
        **mean_scores(scores),
        **told,
        "collapsed": is_collapsed(outputs, inputs),
        "identity_like": is_identity_like(outputs, inputs, targets),
        "common": mean_scores(common),
    }


def evaluate(
    generator: keras.Model,
    held_out: HeldOut,
    train: HeldOut,
    live: dict[str, Any] | None,
) -> dict[str, Any]:
    """Score the finished generator, for the result manifest.

    Args:
        generator: the candidate.
        held_out: pairs that it never saw.
        train: pairs that it was trained on; only the mean of their targets is used.
        live: scores of the live model, see `evaluate_live`.
    """
    scores = validate(make_inference(generator), held_out, FINAL_PAIRS, compares=True)
    count = scores.pop("n")
    common = scores.pop("common")
    if live:
        scores["common"] = {**common, "live": live.pop("common")}
    baselines: dict[str, Any] = {"identity": None, "mean_target": None}
    if len(held_out):
        mean = mean_image(train.targets(MEAN_PAIRS))
        baselines = {
            "identity": score(held_out.decoded(FINAL_PAIRS)),
            "mean_target": score((mean, target) for _, target in held_out.decoded(FINAL_PAIRS)),
        }
    return {
        **scores,
        "baselines": baselines,
        "live": live,
        "held_out": count,
    }


def evaluate_live(
    folder: Path,
    held_out: HeldOut,
    policy: str,
) -> dict[str, Any]:
    """Score the live model on the candidate's held-out pairs, at the candidate's precision.

    A live model of another image size is scored at its own size; ``image_size`` has it.

    Raises:
        PixdError: it cannot be loaded.
    """
    generator = load_generator(folder, policy)
    size = image_size_of(generator)
    pairs = held_out.at_size(size)
    scores = validate(make_inference(generator), pairs, FINAL_PAIRS, compares=True)
    return {**scores, "image_size": size}
