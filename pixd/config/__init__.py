"""config.yaml -> frozen settings; every rule checked once.

Promises: settings that `pixd.config.load.load` returns need no further checks; a file that is
wrong is refused with all its problems at once, each with its file, line and key. Importing this is
cheap, because `pixd status` and the child programs do it: only `load` and `document` import YAML.

Unlike the other packages, this one exports names here: the settings, which most modules read.

Leaves to others: whether the folders exist, can be read, or lie on a local disk (`pixd doctor` and
the service).
"""

from __future__ import annotations

from pixd.config.settings import (
    LONE_PIPELINE_NAME,
    KeepSettings,
    PipelineSettings,
    RaySettings,
    RayTrainSettings,
    RayTranslateSettings,
    Settings,
    TrainSettings,
    WebSettings,
)

__all__ = [
    "LONE_PIPELINE_NAME",
    "KeepSettings",
    "PipelineSettings",
    "RaySettings",
    "RayTrainSettings",
    "RayTranslateSettings",
    "Settings",
    "TrainSettings",
    "WebSettings",
]
