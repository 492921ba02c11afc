"""The settings as frozen values, with the default and the rule of every key.

Only this module has the defaults. The fields have the names of the keys in config.yaml,
which `docs/config.md` explains. A new key is one line here, and the code that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pixd.config import patience, value_range
from pixd.config.pair_kinds import KINDS
from pixd.config.rules import Choice, Flag, Number, Whole, WordOrWhole, key

LARGEST_MEGAPIXELS = 2000
"""Pillow's own rows and offsets are 32-bit numbers."""
MOST_SAMPLES = 16
"""More outputs of one input than this are a mistake rather than a wish."""
YEAR_S = 31_536_000
MILLION = 1_000_000
LONE_PIPELINE_NAME = "default"  # of a pipeline whose keys are at the top of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How a model is trained and when it goes live. Exactly one of epochs and steps is set.

    Source: the numbers are those of Isola et al. 2017, arXiv:1611.07004, section 3.3 and
    appendix 6.2 (Adam 0.0002 and 0.5, L1 weight 100, batch 1, 200 epochs for facades).
    """

    quiet_seconds: float = key(30.0, Number(0, YEAR_S))
    epochs: int | None = key(200, Whole(1, MILLION))
    steps: int | None = key(None, Whole(1, 1000 * MILLION))
    batch_size: int = key(1, Whole(1, 1024))
    replicas: int = key(1, Whole(1, 64))
    ngf: int = key(64, Whole(1, 512))
    ndf: int = key(64, Whole(1, 512))
    learning_rate: float = key(0.0002, Number(0, 1, above_low=True))
    beta_1: float = key(0.5, Number(0, 1, below_high=True))
    l1_weight: float = key(100.0, Number(0, MILLION))
    gan_weight: float = key(1.0, Number(0, MILLION))
    jitter: bool = key(True, Flag())
    flip: bool = key(True, Flag())
    seed: int = key(0, Whole(0, 2**32 - 1))  # the largest seed that NumPy and Keras take
    validation: float = key(0.1, Number(0, 0.9))
    patience: str | int = key(patience.AUTO, WordOrWhole(patience.WORDS, 1, patience.MOST))
    warm_start: str = key("auto", Choice(("auto", "never")))
    early: str = key("auto", Choice(("auto", "never")))
    early_seconds: float = key(60.0, Number(0, YEAR_S, above_low=True))
    promote: str = key("if-better", Choice(("if-better", "always", "manual")))
    on_upgrade: str = key("keep", Choice(("keep", "retrain")))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSettings:
    """What is kept: models, orphaned outputs, and free space on the disk."""

    models: int = key(10, Whole(1, MILLION))
    orphans: bool = key(True, Flag())
    free_bytes: int = key(64_000_000, Whole(0, 10**15))


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
    pairs: str = key("side-by-side", Choice(tuple(KINDS)))
    direction: str = key("AtoB", Choice(("AtoB", "BtoA")))
    image_size: int = key(256, Whole(32, 1024))
    fit: str = key("pad", Choice(("pad", "crop", "stretch", "tile")))
    output_size: str = key("model", Choice(("model", "source")))
    alpha: str = key("drop", Choice(("drop", "keep")))
    labels: str = key("colours", Choice(("colours", "ids")))
    value_range: str = key(value_range.AUTO, Choice(value_range.VALUES))
    max_megapixels: int = key(64, Whole(1, LARGEST_MEGAPIXELS))
    settle_seconds: float = key(2.0, Number(0, YEAR_S))
    sample: bool = key(False, Flag())
    samples: int = key(1, Whole(1, MOST_SAMPLES))
    train: TrainSettings = field(default_factory=TrainSettings)
    keep: KeepSettings = field(default_factory=KeepSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The page of `pixd web`: whether the service starts it, where it listens, what it may do.

    Attributes:
        start: whether `pixd run` starts the page beside itself.
        listen: ``127.0.0.1:8460``, another address with its port, or the path of a Unix socket.
        hosts: other names that the page is reached by, each with its port where it is not 80.
        uploads: whether the page may put files into the training and input folders.
    """

    start: bool = key(False, Flag())
    listen: str = "127.0.0.1:8460"
    hosts: tuple[str, ...] = ()
    uploads: bool = key(True, Flag())


@dataclass(frozen=True, slots=True, kw_only=True)
class RayTrainSettings:
    """What one training asks of a machine of the cluster; 0 asks for none, or sets no bound.

    Attributes:
        most: trainings at once, of several pipelines or variants. One that finds no room waits for it.
    """

    gpus: int = key(1, Whole(0, 64))
    cpus: int = key(4, Whole(1, 1024))
    memory_bytes: int = key(0, Whole(0, 10**15))
    most: int = key(4, Whole(1, 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class RayTranslateSettings:
    """What one translator asks of a machine, how many there may be, and when they leave.

    Attributes:
        most: translators of a pipeline at once, each on a machine that has room for it.
        idle_seconds: without an image for so long they end, and what they hold is free.
    """

    gpus: int = key(1, Whole(0, 64))
    cpus: int = key(2, Whole(1, 1024))
    memory_bytes: int = key(0, Whole(0, 10**15))
    most: int = key(4, Whole(1, 1000))
    idle_seconds: float = key(600.0, Number(1, YEAR_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings:
    """The cluster that children run on with `engine: ray`.

    Attributes:
        address: of its head, ``10.0.0.5:6379``; "" where the file names none.
        token: a file that only its owner can read; None where the file names none.
        tls: the folder of node.crt, node.key and ca.crt; None for a network that is trusted.
        silent_seconds: a machine that is not heard for so long is given up.
        fallback: what happens while the cluster cannot be reached: wait, or work on this machine.
        cache_bytes: how much a machine keeps of what it was sent, before the oldest goes.
    """

    address: str = ""
    token: Path | None = None
    tls: Path | None = None
    silent_seconds: float = key(15.0, Number(3, 3600))
    fallback: str = key("wait", Choice(("wait", "local")))
    cache_bytes: int = key(20_000_000_000, Whole(100 * MILLION, 10**15))
    train: RayTrainSettings = field(default_factory=RayTrainSettings)
    translate: RayTranslateSettings = field(default_factory=RayTranslateSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that config.yaml says. `path` is the absolute path of that file."""

    path: Path
    store: Path
    device: str = key("auto", Choice(("auto", "gpu", "cpu")))
    precision: str = key("auto", Choice(("auto", "float32", "bfloat16", "float16")))
    metrics: Path | None = None
    web: WebSettings = field(default_factory=WebSettings)
    engine: str = key("local", Choice(("local", "ray")))
    ray: RaySettings = field(default_factory=RaySettings)
    pipelines: tuple[PipelineSettings, ...]
