"""The configuration and the pipeline that a command runs under."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.cli.terminal import warn
from pixd.config import refusals
from pixd.config.load import load
from pixd.config.location import NoConfigError, find
from pixd.store import lock, outside
from pixd.system.errors import CannotTellError, ConfigError, UsageError

if TYPE_CHECKING:
    import argparse

    from pixd.config import PipelineSettings, Settings


class InForce(NamedTuple):
    """The configuration that a running service goes by, or that one would begin with.

    Attributes:
        settings: it.
        refused: why config.yaml as it is now is not in force; None where it may be.
        pid: of the service, where that is so; else 0.
    """

    settings: Settings
    refused: ConfigError | None = None
    pid: int = 0


def settings_of(args: argparse.Namespace, *, asks_network: bool = False) -> Settings:
    """Return the configuration that a command runs under, and say so if config.yaml is not in force.

    `asks_network`: see `pixd.config.load.load`. A command that only reads asks nobody, and goes by
    what the service does. One that asks takes the file as it is.
    """
    if asks_network:
        return load(_find(args), asks_network=True)
    found = in_force(args)
    if found.refused:
        warn(
            f"pixd: {refusals.in_one_line(found.refused)}; the service (pid {found.pid}) goes on with"
            " the configuration before, and so does this command"
        )
    return found.settings


def in_force(args: argparse.Namespace) -> InForce:
    """Find, read and check the configuration; where that fails, return what the service goes by.

    Raises:
        ConfigError: it is wrong, and no service runs that could go on with an earlier one.
    """
    try:
        path = _find(args)
    except NoConfigError as error:
        gone = next(filter(_served, error.looked_at), None)
        if gone is None:
            raise
        return _by_the_service(gone, refusals.gone(gone))
    try:
        settings = load(path)
    except ConfigError as error:
        return _by_the_service(path, error)
    served = _served(path)
    if served is None or refusals.is_same_store(served.store, settings.store):
        return InForce(settings)
    return _by_the_service(path, refusals.other_store(path, served.store, settings.store))


class _Served(NamedTuple):
    """Which store a service of a configuration file has open."""

    store: Path
    pid: int


def _served(path: Path) -> _Served | None:
    """Return what a service of this file has open; None where none runs, begins or waits."""
    note, pid = outside.read(path)
    if pid is None or not note.path or note.blocked:
        return None
    store = Path(note.path)
    with contextlib.suppress(CannotTellError):
        # A service that begins holds the note of the one before it.
        if lock.holder_pid(store) == pid:
            return _Served(store, pid)
    return None


def _by_the_service(path: Path, refused: ConfigError) -> InForce:
    from pixd.config import in_force as keeping  # noqa: PLC0415 - only where config.yaml is wrong

    served = _served(path)
    if served is None:
        raise refused
    settings = keeping.kept(served.store, path)
    if settings is None:
        raise ConfigError(
            f"{refused.message}\nthe service (pid {served.pid}) goes on with the configuration before",
            advice=refused.advice,
        )
    return InForce(settings, refused, served.pid)


def _find(args: argparse.Namespace) -> Path:
    return find(args.config, os.environ, Path.cwd())


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
