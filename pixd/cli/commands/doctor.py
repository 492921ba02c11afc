"""`pixd doctor`: check all that pixd needs, and say which command fixes what is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from pixd.answers.doctor.check import FAIL, OK, WARN, Check
from pixd.answers.doctor.examination import examination
from pixd.cli.configuration import settings_of
from pixd.cli.terminal import Progress
from pixd.system.errors import EXIT_FAILED, EXIT_OK, ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pixd.config import Settings

_COLOURS = {OK: "32", WARN: "33", FAIL: "31"}  # SGR: ECMA-48
_SCHEMA = 1
NAME_COLUMN = 20
"""The least width of the names of checks, with their colon."""


def run(args: argparse.Namespace) -> int:
    """Print each check as it is made; 1 where one failed, 78 where the configuration is wrong."""
    progress = Progress()
    checks: list[Check] = []
    code = EXIT_OK
    try:
        settings = settings_of(args, asks_network=True)
        examined = _examine(args, settings, progress)
        width = _width_of(settings)
    except ConfigError as error:
        examined = iter([Check("config", FAIL, error.message, error.advice)])
        width = NAME_COLUMN
    for check in examined:
        checks.append(check)
        if check.state == FAIL:
            code = code or (ConfigError.exit_code if check.name == "config" else EXIT_FAILED)
        if not args.json:
            progress.clear()
            _print(check, width)
    progress.clear()
    counts = Counter(check.state for check in checks)
    if args.json:
        told = {"schema": _SCHEMA, "checks": [asdict(check) for check in checks]}
        told["state"] = next(state for state in (FAIL, WARN, OK) if counts[state])
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        print(", ".join(f"{counts[state]} {state}" for state in (OK, WARN, FAIL)))
    return code


def _width_of(settings: Settings) -> int:
    """Return how wide the column of names is, so that those of all pipelines are in line."""
    longest = max(len(pipeline.name) for pipeline in settings.pipelines)
    return max(NAME_COLUMN, longest + len(" training:"))


def _examine(args: argparse.Namespace, settings: Settings, progress: Progress) -> Iterator[Check]:
    names = ", ".join(p.name for p in settings.pipelines)
    yield Check("config", OK, f"{settings.path}: {names}")
    steps = examination(settings, with_model=not args.no_model, show=progress.show)
    for what, look in steps:
        progress.show(f"looking at {what}")
        yield from look()


def _print(check: Check, width: int) -> None:
    state = f"{check.state:4}"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        state = f"\x1b[{_COLOURS[check.state]}m{state}\x1b[0m"
    first, *more = check.told.splitlines() or [""]
    print(f"{state}  {check.name + ':':{width}} {first}")
    for line in more:
        print(f"      {line}")
    if check.state != OK:
        print(f"      try: {check.mend}")
