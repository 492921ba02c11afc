"""`pixd plan`: what would happen now, why, and about how much it would cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.answers import plan
from pixd.answers.status_text import duration, size
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.terminal import Progress, bar, warn
from pixd.store import connection
from pixd.store.opening import empty_reader
from pixd.training.dataset.finding import counted
from pixd.translation import refresh

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping


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
        for line in _lines(made):
            print(f"  {line}")
    return 0


def _reading(bars: Progress) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bars.show(f"reading {bar(done, total)} {done} of {total} new files")

    return show


def _lines(made: Mapping[str, Any]) -> Iterator[str]:
    for kind, counts in made["changes"].items():
        signs = {"added": "+", "changed": "~", "removed": "-"}
        parts = [f"{signs[what]}{count}" for what, count in counts.items() if count]
        if parts:
            files = "file" if sum(counts.values()) == 1 else "files"
            yield f"record    {', '.join(parts)} {files} in {kind}, not read yet"
    train = made["train"]
    if train["action"] == "run":
        about = _about(train["seconds"], train["bytes"])
        most = "at most " if train["may_stop_before"] else ""
        yield f"train     {most}{train['steps']} steps on {train['pairs']} pairs{about}"
        yield f"          because {train['why']}"
    elif train["action"] == "reuse":
        yield f"promote   {train['model']}: {train['why']}"
    else:
        yield f"train     nothing: {train['why']}"
    yield from _beside(made)
    translate = made["translate"]
    due, after = translate["due"], translate["due_after_training"]
    about = _about(translate["seconds"], translate["bytes"])
    if due:
        yield f"translate {due} of {counted(translate['inputs'], 'input')} by the live model"
        if translate["early"]:
            yield f"          which is an early one: {refresh.TOLD}"
    if after:
        model = "new" if train["action"] == "run" else "old"
        instead = ", in place of their outputs" if translate["replaces"] else ""
        yield f"translate {counted(after, 'input')} by the {model} model{instead}{about}"
    elif due:
        yield f"         {about.removeprefix(',')}" if about else "          (no estimate yet)"
    else:
        yield "translate nothing: every output is of the live model and the present settings"


def _beside(made: Mapping[str, Any]) -> Iterator[str]:
    """Say what else a person asked for: a pin, and variants."""
    if keep := made["keep"]:
        yield f"keep      {keep['model']}, which is pinned: {'; '.join(keep['apart'])}"
        yield "          after `pixd unpin` a model of config.yaml's settings takes its place"
    if tried := made["try"]:
        about = _about(tried["seconds"], tried["bytes"])
        yield f"try       {tried['left']} of {tried['variants']} variants, none goes live{about}"


def _about(seconds: float | None, written: float | None) -> str:
    if seconds is None or written is None:
        return " (no estimate: nothing like it was done yet)"
    return f", about {duration(seconds)} and {size(written)}"
