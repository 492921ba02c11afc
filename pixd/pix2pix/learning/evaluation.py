"""Scores a generator on the held-out pairs, and baselines that have learned nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pixd.pix2pix.learning.held_out import HeldOut
from pixd.pix2pix.learning.own_targets import compare_with_others
from pixd.pix2pix.learning.scores import (
    coarse_sharpness,
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
from pixd.system.children.spec_parts import LiveModel
from pixd.system.errors import PixdError

VALIDATION_PAIRS: Final = 64  # at most, during the training
FINAL_PAIRS: Final = 500  # at most, at the end: a few minutes on two cores
MEAN_PAIRS: Final = 400  # at most, for the mean target
KEPT_PAIRS: Final = 64  # of whose pictures the checks are made that need several at once

Pixels = NDArray[np.uint8]

_log = logging.getLogger(__name__)


def validate(
    infer: Inference, held_out: HeldOut, limit: int, *, compares: bool = False
) -> dict[str, Any]:
    """Score a generator on the first `limit` held-out pairs.

    Returns:
        ``l1``, ``psnr``, ``ssim``, ``sharpness``, ``n``, ``collapsed``, ``identity_like``, under
        ``common`` the scores and ``n`` of the pairs that neither model was trained on, and under
        ``others``, if it `compares`, how its outputs fit the targets of other pairs, or None where
        it has too few; then ``coarse_sharpness`` too.
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
    told: dict[str, Any] = {}
    if compares:
        compared = (coarse_sharpness(*pair) for pair in zip(outputs, targets, strict=True))
        coarse = [sharpness for sharpness in compared if sharpness is not None]
        told = {
            "others": compare_with_others(outputs, targets),
            "coarse_sharpness": float(np.mean(coarse)) if coarse else None,
        }
    return {
        **mean_scores(scores),
        **told,
        "collapsed": is_collapsed(outputs, inputs),
        "identity_like": is_identity_like(outputs, inputs, targets),
        "common": mean_scores(common),
    }


def evaluate(
    infer: Inference,
    held_out: HeldOut,
    baselines: dict[str, Any],
    live: dict[str, Any] | None,
    limit: int = FINAL_PAIRS,
) -> dict[str, Any]:
    """Score a candidate beside the baselines and the live model, for the result manifest.

    Args:
        infer: the candidate.
        held_out: pairs that it never saw.
        baselines: see `baselines_of`.
        live: scores of the live model, see `score_live`.
        limit: of how many pairs at most; the same for all three.
    """
    scores = validate(infer, held_out, limit, compares=True)
    count = scores.pop("n")
    common = scores.pop("common")
    if live:
        scores["common"] = {**common, "live": live["common"]}
        live = {name: value for name, value in live.items() if name != "common"}
    return {
        **scores,
        "baselines": baselines,
        "live": live,
        "held_out": count,
    }


def baselines_of(held_out: HeldOut, train: HeldOut, limit: int = FINAL_PAIRS) -> dict[str, Any]:
    """Score what has learned nothing: the input as it is, and the mean target.

    Args:
        held_out: the pairs to score with.
        train: pairs that were trained on; only the mean of their targets is used.
        limit: of how many pairs at most.

    Returns:
        ``identity`` and ``mean_target``, each None if there are no pairs.
    """
    if not len(held_out):
        return {"identity": None, "mean_target": None}
    mean = mean_image(train.targets(MEAN_PAIRS))
    return {
        "identity": score(held_out.decoded(limit)),
        "mean_target": score((mean, target) for _, target in held_out.decoded(limit)),
    }


def score_live(
    live_model: LiveModel | None, held_out: HeldOut, policy: str, limit: int = FINAL_PAIRS
) -> dict[str, Any] | None:
    """Score the live model on the candidate's held-out pairs, at the candidate's precision.

    A live model of another image size is scored at its own size; ``image_size`` has it.

    Returns:
        None if there is none, or if it is damaged: it must not prevent the one that replaces it.
    """
    if live_model is None:
        return None
    try:
        generator = load_generator(Path(live_model["folder"]), policy)
    except PixdError as error:
        _log.warning("the live model cannot be scored: %s", error.message)
        return None
    size = image_size_of(generator)
    pairs = held_out.at_size(size)
    scores = validate(make_inference(generator), pairs, limit, compares=True)
    return {**scores, "image_size": size}
