"""`pixd plan`: what would happen now, why, and about how much it would cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd.answers import plan, plan_text
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.terminal import Progress, bar, warn
from pixd.store import connection
from pixd.store.opening import empty_reader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def run(args: argparse.Namespace) -> int:
    """Print the plan of each pipeline, or of the one named."""
    settings = settings_of(args)
    pipelines = settings.pipelines
    if args.pipeline:
        pipelines = (pick_pipeline(settings, args.pipeline),)
    store = settings.store
    if connection.has_database(store) or connection.what_outlived_database(store):
        reader = connection.open_reader(store)
    else:
        reader = empty_reader()
        warn(f"pixd: there is no store at {store} yet: this is what the first start would do")
    bars = Progress()
    plans = {p.name: plan.of_pipeline(reader, settings, p, _reading(bars)) for p in pipelines}
    bars.clear()
    if args.json:
        print(json.dumps(plans, sort_keys=True, indent=1))
        return 0
    for name, made in plans.items():
        print(name)
        for line in plan_text.lines(made):
            print(f"  {line.word:<9} {line.told}")
    return 0


def _reading(bars: Progress) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bars.show(f"reading {bar(done, total)} {done} of {total} new files")

    return show
