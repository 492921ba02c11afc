"""The configuration and the pipeline that a command runs under."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.config.location import find
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from pixd.config import PipelineSettings, Settings


def settings_of(args: argparse.Namespace, *, asks_network: bool = False) -> Settings:
    """Find, read and check the configuration that a command runs under.

    `asks_network`: see `pixd.config.load.load`. A command that only reads asks nobody.
    """
    return load(find(args.config, os.environ, Path.cwd()), asks_network=asks_network)


def pick_pipeline(settings: Settings, name: str | None) -> PipelineSettings:
    """Return the pipeline that the user means.

    Raises:
        UsageError: there are several and none was named, or none has that name.
    """
    names = ", ".join(p.name for p in settings.pipelines)
    if name is None:
        if len(settings.pipelines) == 1:
            return settings.pipelines[0]
        raise UsageError(f"which pipeline? there are {names}", advice="name one with -p NAME")
    for pipeline in settings.pipelines:
        if pipeline.name == name:
            return pipeline
    raise UsageError(f"there is no pipeline {name}", advice=f"one of: {names}")
