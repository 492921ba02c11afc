"""`pixd retry`: take up refused or failed work again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import locate
from pixd.cli.terminal import warn
from pixd.store import connection
from pixd.system.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Retry the named files, or everything that failed; 1 where a named one needs no retry."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline)
    reader = connection.open_reader(settings.store)
    places = []
    for text in args.files:
        place = locate(reader, pipeline, text)
        if place is None:
            raise UsageError(
                f"{text} is no file of {pipeline.name}", advice="`pixd status` names what failed"
            )
        places.append([place.kind, place.name])
    reader.close()
    result = ask(settings, "retry", pipeline=pipeline.name, files=places)
    if args.json:
        print(json.dumps(result, sort_keys=True, indent=1))
        return EXIT_OK
    for name in result["retried"]:
        print(f"{name} is tried again")
    for name in result["beside"]:
        print(f"{pipeline.output / name}")
    if result["trainings"]:
        print("the training is tried again")
    for name in result["left"]:
        warn(f"pixd: {name} needs no retry: `pixd why` says how it stands")
    if not (result["retried"] or result["beside"] or result["trainings"] or result["left"]):
        print("nothing failed")
    return EXIT_FAILED if result["left"] else EXIT_OK
