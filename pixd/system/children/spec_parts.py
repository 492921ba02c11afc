"""The parts of run specs that are objects of their own in JSON: pairs, models, beginnings."""

from __future__ import annotations

from typing import TypedDict


class _Pair(TypedDict):
    name: str
    images: list[str]
    digests: list[str]


class Pair(_Pair, total=False):
    """An image pair of a training.

    Attributes:
        name: for people.
        images: path of the side-by-side image, or paths of input and target.
        digests: of the images, in the same order.
        is_common: whether neither this model nor the live one was trained on it; optional.
    """

    is_common: bool


class LiveModel(TypedDict):
    """A model to compare with: its folder, and the digest of the manifest of its files."""

    folder: str
    digest: str


class Beginning(TypedDict):
    """What a training begins from.

    Attributes:
        model: name of the earlier model.
        digest: of that model.
        checkpoints: folder with the state of its training.
        steps: the share of the usual steps that this training does.
    """

    model: str
    digest: str
    checkpoints: str
    steps: float


class Triple(TypedDict):
    """What an output is scored against: its name, and the paths of its input and target."""

    name: str
    input: str
    target: str


class ScoredPair(TypedDict, total=False):
    """A training pair that baselines learn from: one side-by-side image, or two images."""

    pair: str
    input: str
    target: str
