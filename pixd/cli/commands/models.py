"""`pixd models`: every model with its dataset, steps, scores and state; a report of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.store import connection, model_scores
from pixd.store.queries import history
from pixd.store.states import BytesState
from pixd.system.errors import UsageError
from pixd.training import promotion

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection


def run(args: argparse.Namespace) -> int:
    """Print one line a model, newest first; or write the report of one."""
    if args.report is not None:
        from pixd.cli.commands import report  # noqa: PLC0415 - a list does not need it

        return report.run(args)
    if args.out is not None or args.pairs is not None or args.no_open:
        raise UsageError(
            "-o, --pairs and --no-open are of a report", advice="pixd models --report live"
        )
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline).name
    reader = connection.open_reader(settings.store)
    rows = history.models(reader, pipeline)
    if args.json:
        told = [{**row, "doubts": model_scores.doubts(row["metrics"])} for row in rows]
        print(json.dumps(told, sort_keys=True, indent=1))
        return 0
    if not rows:
        print("no model yet")
        return 0
    print(
        f"{'model':<10}{'dataset':<14}{'steps':>7}{'L1':>8}{'SSIM':>7}{'sharp':>7}{'L1 mean':>9}{'L1 others':>11}  state"
    )
    live = next((row["number"] for row in rows if row["is_live"]), 0)
    once_live = history.once_live(reader, pipeline)
    for row in rows:
        metrics = row["metrics"]
        scores = "".join(
            _number(metrics.get(name), width, digits)
            for name, width, digits in (("l1", 8, 1), ("ssim", 7, 3), ("sharpness", 7, 2))
        )
        # What learned nothing, and the same outputs beside the targets of other pairs.
        scores += _number(model_scores.baseline_l1(metrics, "mean_target"), 9, 1)
        scores += _number(model_scores.others_l1(metrics), 11, 1)
        dataset = f"training@{row['commit_seq']}"
        print(
            f"{row['name']:<10}{dataset:<14}{row['steps']:>7}{scores}  {_state(row, live, once_live)}"
        )
    return 0


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if value is not None else f"{'-':>{width}}"


def _state(row: dict[str, Any], live: int, once_live: Collection[int]) -> str:
    """Say what is to know of a model.

    Args:
        row: of the model.
        live: number of the live one, or 0.
        once_live: numbers of those that are or were live.
    """
    words = []
    if row["early_of"]:
        words.append(f"early, of {row['early_of']:,} steps")
    if row["is_live"]:
        words.append("LIVE, pinned" if row["is_pinned"] else "LIVE")
    if not row["verdict"]["promote"] and not row["is_live"]:
        decision = promotion.Decision(**row["verdict"])
        was_live = row["number"] in once_live  # a person promoted it all the same
        told = f"{'was live' if was_live else 'not promoted'}: {decision.why}"
        if promotion.is_offered(decision) and row["number"] > live:
            told += f" (`pixd promote {row['name']}` makes it live)"
        words.append(told)
    elif doubts := model_scores.doubts(row["metrics"]):
        words.append(f"doubtful: {doubts}")
    if row["bytes_state"] != BytesState.PRESENT:
        words.append("bytes removed")
    return "; ".join(words)
