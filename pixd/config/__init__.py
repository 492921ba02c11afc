"""config.yaml -> frozen settings; every rule checked once.

Promises: settings that `load` returns need no further checks; a file that is wrong is
refused with all its problems at once, each with its file, line and key. A value that
is known and not supported yet is refused too, never ignored. Importing this is cheap,
because `pixd status` does.

This package, unlike the others, gives its names here: whoever reads a setting needs `Settings` and
`load`, and which module holds them is nobody else's concern. It still imports no more than they do.

Leaves to others: whether the folders exist, can be read, or lie on a local disk
(`pixd doctor` and the service).
"""

from __future__ import annotations

from pixd.config.load import effective_yaml, load
from pixd.config.location import find
from pixd.config.settings import (
    LONE_PIPELINE_NAME,
    KeepSettings,
    PipelineSettings,
    Settings,
    TrainSettings,
)
from pixd.config.surprises import surprises

__all__ = [
    "LONE_PIPELINE_NAME",
    "KeepSettings",
    "PipelineSettings",
    "Settings",
    "TrainSettings",
    "effective_yaml",
    "find",
    "load",
    "surprises",
]
