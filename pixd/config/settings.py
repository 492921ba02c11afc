"""The settings as frozen values, with the default of every key.

What is written here is the default; nothing else in pixd repeats one. The fields
carry the names of the keys in config.yaml, which `docs/config.md` explains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LONE_PIPELINE_NAME = "default"  # of a pipeline whose keys stand at the top of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How a model is trained and when it goes live. Exactly one of epochs and steps is set.

    Source: the numbers are those of Isola et al. 2017, arXiv:1611.07004, section 3.3 and
    appendix 6.2 (Adam 0.0002 and 0.5, L1 weight 100, batch 1, 200 epochs for facades).
    """

    quiet_seconds: float = 30.0
    epochs: int | None = 200
    steps: int | None = None
    batch_size: int = 1
    replicas: int = 1
    ngf: int = 64
    ndf: int = 64
    learning_rate: float = 0.0002
    beta_1: float = 0.5
    l1_weight: float = 100.0
    gan_weight: float = 1.0
    jitter: bool = True
    flip: bool = True
    seed: int = 0
    validation: float = 0.1
    warm_start: str = "auto"
    promote: str = "if-better"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSettings:
    """What keeps its bytes."""

    models: int = 10
    orphans: bool = True
    free_bytes: int = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings:
    """One pipeline: its three folders, how images become model input, and how it trains.

    `training`, `input` and `output` are absolute and not resolved through symlinks,
    so that a message shows the path as its owner knows it.
    """

    name: str
    training: Path
    input: Path
    output: Path
    pairs: str = "side-by-side"
    direction: str = "AtoB"
    image_size: int = 256
    fit: str = "pad"
    output_size: str = "model"
    alpha: str = "drop"
    max_megapixels: int = 64
    settle_seconds: float = 2.0
    sample: bool = False
    train: TrainSettings = field(default_factory=TrainSettings)
    keep: KeepSettings = field(default_factory=KeepSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that config.yaml says. `path` is the absolute path of that file."""

    path: Path
    store: Path
    device: str = "auto"
    precision: str = "auto"
    metrics: Path | None = None
    pipelines: tuple[PipelineSettings, ...]
