"""`pixd retrain`: make a model anew, as this pixd does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import model_number, pipeline_and_thing
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any


def run(args: argparse.Namespace) -> int:
    """Ask for it; the service trains, or the next `pixd run` does."""
    settings = settings_of(args)
    pipeline, number = pick_pipeline(settings, args.pipeline) if not args.model else None, None
    if args.model:
        if args.outputs:
            raise UsageError("--outputs is of the live model", advice="pixd retrain --outputs")
        pipeline, thing = pipeline_and_thing(args, settings, args.model)
        number = model_number(thing)
    assert pipeline is not None  # it is of the one or of the other
    result = ask(
        settings,
        "retrain",
        pipeline=pipeline.name,
        number=number,
        force=args.force,
        outputs=args.outputs,
    )
    if args.json:
        print(json.dumps(result, sort_keys=True, indent=1))
    else:
        _tell(result, is_of_outputs=args.outputs)
    return 0


def _tell(result: Mapping[str, Any], *, is_of_outputs: bool) -> None:
    if is_of_outputs:
        count = result["outputs"]
        if not count:
            print("nothing changed: this pixd makes the same outputs; nothing is done")
            return
        print(f"{count} output{'s are' if count > 1 else ' is'} made anew by the live model")
    elif not result["asked"]:
        print(f"nothing changed: this pixd makes {result['model']} as it was made; nothing is done")
        print("to train it again all the same: pixd retrain --force")
        return
    else:
        why = f": {result['why']}" if result["why"] else ""
        print(f"{result['model']} is made anew{why}")
        print("it stays live until the new one is there and is promoted")
    print("this follows while the service runs: pixd wait")
