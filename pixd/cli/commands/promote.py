"""`pixd promote`, `rollback`, `unpin`: a person chooses which model is live."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.store import connection
from pixd.store.queries import history, lineage
from pixd.system.errors import UsageError
from pixd.training.apart import apart, config_lines
from pixd.training.recipe import train_recipe

if TYPE_CHECKING:
    import argparse

    from pixd.config import PipelineSettings, Settings


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
        lines = _lines(settings, pipeline)
        if lines:
            print("config.yaml asks for other settings. To keep these without a pin, put there:")
            print("\n".join(f"  {line}" for line in lines))
    else:
        lines = _lines(settings, pipeline, model_number(result["model"]))
        print(f"{result['model']} is no longer pinned: newer models may replace it")
        if lines:
            print(
                "config.yaml asks for other settings, and a model of those takes its place. To have"
            )
            print(f"it back: pixd promote {result['model']}, or put into config.yaml:")
            print("\n".join(f"  {line}" for line in lines))
    return 0


def _lines(settings: Settings, pipeline: PipelineSettings, number: int | None = None) -> list[str]:
    """Return what to put into config.yaml so that it asks for a model, the live one by default."""
    with contextlib.closing(connection.open_reader(settings.store)) as reader:
        model = history.model(reader, pipeline.name, number)
        if model is None:
            return []
        recipe = lineage.recipe_of(reader, model["train_run"])
    return list(config_lines(apart(recipe, train_recipe(pipeline, settings.precision))))
