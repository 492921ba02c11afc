"""`pixd why`: why a file is in its state, or why a run ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.answers import why
from pixd.cli.configuration import settings_of
from pixd.cli.naming import locate, pipeline_and_thing
from pixd.store import connection
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the explanation."""
    settings = settings_of(args)
    reader = connection.open_reader(settings.store)
    if args.thing.startswith("run@"):
        number = args.thing.removeprefix("run@")
        if not number.isdecimal():
            raise UsageError(f"{args.thing} is no run", advice="run@7")
        found = why.of_run(reader, settings.store, int(number))
        if found is None:
            raise UsageError(f"there is no {args.thing}", advice="`pixd show model@N` names runs")
    else:
        pipelines = settings.pipelines
        if args.pipeline or len(pipelines) == 1:
            pipelines = (pipeline_and_thing(args, settings, "")[0],)
        for pipeline in pipelines:
            place = locate(reader, pipeline, args.thing)
            if place:
                break
        else:
            folders = ", ".join(
                str(getattr(p, k)) for p in pipelines for k in ("training", "input")
            )
            raise UsageError(
                f"{args.thing} is in no folder that pixd watches", advice=f"they are {folders}"
            )
        found = why.of_file(reader, settings.store, pipeline, place.kind, place.name)
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
        return 0
    print(f"{found.get('file') or found['run']}: {found['state']}")
    for line in found["why"]:
        print(f"  {line}")
    return 0
