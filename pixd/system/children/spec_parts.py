"""What run specs and results are made of: pairs, models, files and what went wrong, as they are in JSON."""

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


class _Beginning(TypedDict):
    model: str
    digest: str
    checkpoints: str
    steps: float


class Beginning(_Beginning, total=False):
    """What a training begins from.

    Attributes:
        model: name of the earlier model; `digest` is its.
        checkpoints: folder with the state of its training.
        steps: the share of the usual steps that this training does.
        until: the step until which it goes on from the step of that state; optional.
    """

    until: int


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


class Problem(TypedDict):
    """Why a run failed: a kind for programs, a message for people, and what to do about it."""

    kind: str
    message: str
    advice: str


class OutputFile(TypedDict):
    """A file that a run made: its role, its path in the scratch folder, its digest and bytes."""

    role: str
    path: str
    sha256: str
    size: int
