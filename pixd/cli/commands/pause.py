"""`pixd pause` and `pixd resume`: start no new work until resumed, in one pipeline or all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.terminal import warn
from pixd.system.errors import EXIT_FAILED, EXIT_OK

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Pause or resume; 1 where a folder on hold cannot be accepted because it is not there."""
    settings = settings_of(args)
    pipelines = settings.pipelines
    if args.pipeline is not None:
        pipelines = (pick_pipeline(settings, args.pipeline),)
    results = [ask(settings, args.command, pipeline=one.name) for one in pipelines]
    if args.json:
        print(json.dumps({"schema": 1, "pipelines": results}, sort_keys=True, indent=1))
    for result in () if args.json else results:
        name = result["pipeline"]
        if result["paused"]:
            print(f"{name} is paused: files are recorded, no training or translation is started")
            print(f"it goes on after: pixd resume -p {name}")
            continue
        print(f"{name} goes on" if result["changed"] else f"{name} was not paused")
        for kind in result["accepted"]:
            print(f"the {kind} folder of {name} is taken as it is")
    missing = [folder for result in results for folder in result.get("missing", ())]
    for folder in missing:
        warn(f"pixd: {folder} is not there and stays on hold; mount it, or make it: mkdir {folder}")
    return EXIT_FAILED if missing else EXIT_OK
