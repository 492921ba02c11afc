"""`pixd promote`, `rollback`, `unpin`: a person chooses which model is live."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Make a model live and pin it, or unpin the live one."""
    settings = settings_of(args)
    number = None
    if getattr(args, "model", None):
        pipeline, thing = pipeline_and_thing(args, settings, args.model)
        number = model_number(thing)
        if number is None:
            raise UsageError("the live model is live", advice="name another: model@N")
    else:
        pipeline = pick_pipeline(settings, args.pipeline)
    result = ask(settings, args.command, pipeline=pipeline.name, number=number)
    if args.json:
        print(json.dumps(result, sort_keys=True, indent=1))
    elif result["pinned"]:
        print(f"{result['model']} is live and pinned (it was {result['before'] or 'none'})")
        print(f"the outputs follow while the service runs: pixd wait {result['change']}")
        print("newer models replace it after: pixd unpin")
    else:
        print(f"{result['model']} is no longer pinned: newer models may replace it")
    return 0
