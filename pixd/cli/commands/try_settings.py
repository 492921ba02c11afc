"""`pixd try`: other training settings beside each other, on the same pairs; none goes live by itself.

The running service trains, because one process alone may write the store and use the GPU. This
command asks, waits, prints the table and has the pictures drawn. If it is ended, the service goes on.
Where no service runs, what is asked for is recorded under the lock, and the next service trains it.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from pixd.answers import sweep as sweeps_told
from pixd.answers.report import record, sweep_page
from pixd.answers.report.sweep_page import Drawn
from pixd.cli.change import ask
from pixd.cli.commands import report
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.terminal import Progress, warn
from pixd.config import variants
from pixd.store import connection, heartbeat, lock
from pixd.store.heartbeat import HeartbeatError
from pixd.store.queries import files, history, sweeps
from pixd.system.errors import (
    EXIT_FAILED,
    EXIT_OK,
    PixdError,
    ServiceNotRunningError,
    UsageError,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.answers.report.record import Shown
    from pixd.answers.sweep import Outcome
    from pixd.config import PipelineSettings, Settings
    from pixd.store.connection import Reader
    from pixd.store.queries.sweeps import Sweep

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 600.0
"""How often to say how far it is, where no terminal shows it all the time."""
ABSENT_S = 3.0
"""How long no service may be there: one that starts, or starts again, comes within that."""
SHOWN_PAIRS = 6
_KEPT = "they stay asked for: `pixd run` trains them, and then `pixd try` waits and shows them"


def run(args: argparse.Namespace) -> int:
    """Ask for variants, or take up the last ones; wait, and show what came of them."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline)
    shown = SHOWN_PAIRS if args.pairs is None else args.pairs
    if shown < 0:
        raise UsageError(f"--pairs {shown}: how many?", advice="0 for a report without pictures")
    if args.stop:
        return _stop(args, settings, pipeline)
    if args.set:
        variants.read(pipeline, args.set)  # one clear line before anything is asked or begins
        asked = ask(settings, "try", pipeline=pipeline.name, set=args.set)
        if args.no_wait:
            print(json.dumps(asked, sort_keys=True, indent=1) if args.json else _asked(asked))
            if lock.holder_pid(settings.store) is None:
                warn(f"pixd: no service runs now; {_KEPT}")
            return EXIT_OK
        warn(f"pixd: {_asked(asked)}")
    with contextlib.closing(connection.open_reader(settings.store)) as reader:
        if sweeps.newest(reader, pipeline.name) is None:
            raise UsageError(
                f"no settings of {pipeline.name} were tried yet",
                advice="pixd try --set train.l1_weight=50,100,200",
            )
        if not args.no_wait:
            _wait(settings, reader, pipeline.name)
        return _show(args, settings, reader, pipeline, shown)


def _asked(asked: Mapping[str, Any]) -> str:
    """Say what follows."""
    count = len(asked["variants"])
    words = f"{count} variant{'s' * (count != 1)}"
    if asked["is_new"]:
        return f"{words} asked for: the service trains, and makes none live"
    return f"asked for before, {words}: what is trained is not trained again"


def _stop(args: argparse.Namespace, settings: Settings, pipeline: PipelineSettings) -> int:
    if args.set:
        raise UsageError("--stop ends what is being tried", advice="leave --set out")
    told = ask(settings, "try", pipeline=pipeline.name, mode="stop")
    if args.json:
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        print(f"left untrained: {told['left']}; what was trained stays")
        print("to go on: the same `pixd try --set ...` again")
    return EXIT_OK


# -- waiting ---------------------------------------------------------------------------------


def _wait(settings: Settings, reader: Reader, pipeline: str) -> None:
    """Wait until no variant is left.

    Raises:
        ServiceNotRunningError: nobody trains.
    """
    bars = Progress(every_s=TELL_EVERY_S)
    seen_at = time.monotonic()
    try:
        while sweep := sweeps.under_way(reader, pipeline):
            if lock.holder_pid(settings.store) is not None:
                seen_at = time.monotonic()
            elif time.monotonic() > seen_at + ABSENT_S:
                raise ServiceNotRunningError(
                    f"{_progress(sweep)}, and no service runs that could train the others",
                    advice=_KEPT,
                )
            told = _progress(sweep)
            bars.show(f"{told}{_now(settings, pipeline)}", phase=told)
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        bars.clear()
        warn("pixd: the service goes on; `pixd try` waits again, `pixd try --stop` ends it")
        raise
    finally:
        bars.clear()


def _progress(sweep: Sweep) -> str:
    made = sum(one.model is not None for one in sweep.variants)
    return f"{made} of {len(sweep.variants)} variants are trained"


def _now(settings: Settings, pipeline: str) -> str:
    """Say what the service does now."""
    try:
        last = heartbeat.read(settings.store)
    except HeartbeatError:
        return ""
    train = last.pipeline(pipeline).train if last else None
    if train is None or not train.reason:
        return ""
    at = f", step {train.step} of {train.steps}" if train.steps else ""
    return f"; {train.reason}{at}"


# -- showing ---------------------------------------------------------------------------------


def _show(
    args: argparse.Namespace,
    settings: Settings,
    reader: Reader,
    pipeline: PipelineSettings,
    shown: int,
) -> int:
    sweep = sweeps.newest(reader, pipeline.name)
    assert sweep is not None  # the caller has looked
    outcome = sweeps_told.outcome_of(reader, settings.store, sweep)
    path = None
    if outcome.made:
        path = report.place(settings, args.out, f"{pipeline.name}-try-{sweep.id}.html")
        drawn = list(_draw(settings, reader, outcome, shown))
        report.write(path, sweep_page.render(outcome, drawn))
    if args.json:
        told = {**outcome.as_json(), "report": str(path) if path else None}
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        for line in sweeps_told.table(outcome):
            print(line)
        best = outcome.best
        if best and best.model and not best.model["is_live"]:
            why = ", though the live model has better scores" if outcome.is_live_better else ""
            name = best.model["name"]
            print(f"none goes live by itself; the best would by: pixd promote {name}{why}")
        if path:
            print(path)
    if path and not args.no_open:
        report.show(path)
    return EXIT_FAILED if outcome.failed else EXIT_OK


def _draw(settings: Settings, reader: Reader, outcome: Outcome, shown: int) -> Iterator[Drawn]:
    """Yield what each trained variant makes of the same pairs, then the live model."""
    recalled = set(files.recalled_in(reader, outcome.sweep.pipeline))
    side = "held_out" if outcome.pairs["held_out"] else "train"
    pairs = [
        record.shown_pair(settings.store, pair, recalled) for pair in outcome.pairs[side][:shown]
    ]
    if not pairs:
        return
    models = [(f"{one.told}", one.model) for one in outcome.tried if one.model]
    live = history.model(reader, outcome.sweep.pipeline, None)
    if live and live["number"] not in {model["number"] for _, model in models}:
        models.append((f"{live['name']}, live", live))
    bars = Progress()
    for number, (told, model) in enumerate(models, 1):
        bars.show(f"drawing {number} of {len(models)}: {told}")
        yield _drawn(settings, told, model, pairs)
    bars.clear()


def _drawn(settings: Settings, told: str, model: Mapping[str, Any], pairs: list[Shown]) -> Drawn:
    trouble = record.weights_trouble(model)
    if trouble:
        return Drawn(told, [], trouble)
    asked = [(number, one) for number, one in enumerate(pairs) if not one.trouble]
    try:
        made = report.draw(settings, model, asked) if asked else {}
    except (PixdError, OSError, ValueError) as error:
        return Drawn(told, [], error.message if isinstance(error, PixdError) else str(error))
    return Drawn(
        told,
        [
            made.get(number) or record.Picture(one.name, trouble=one.trouble)
            for number, one in enumerate(pairs)
        ],
    )
