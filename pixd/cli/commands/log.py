"""`pixd log`: commits, models, outputs, or everything that happened, newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.store import connection
from pixd.store.queries import changes, history
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse

REPOS = ("training", "input", "model", "models", "output", "outputs")


def run(args: argparse.Namespace) -> int:
    """Print the log of one repo, or of all that happened."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline).name
    reader = connection.open_reader(settings.store)
    change = None
    if args.repo and args.repo not in REPOS:
        change = changes.whole_id(reader, args.repo)
    if change:
        found = changes.change(reader, change)
        assert found is not None  # its id was looked up
        rows, line = found["events"][::-1][: args.n], _event
    elif args.repo is None:
        rows, line = history.events(reader, pipeline, args.n), _event
    elif args.repo in {"training", "input"}:
        rows, line = history.commits(reader, pipeline, args.repo, args.n), _commit
    elif args.repo in {"model", "models"}:
        rows, line = history.models(reader, pipeline, args.n), _model
    elif args.repo in {"output", "outputs"}:
        rows, line = history.outputs(reader, pipeline, args.n), _output
    else:
        raise UsageError(
            f"there is no repo or change {args.repo}",
            advice="training, input, model, output, or the id of a change",
        )
    if args.json:
        print(json.dumps(rows, sort_keys=True, indent=1))
        return 0
    for row in rows:
        print(line(row))
    if not rows:
        print("nothing yet")
    return 0


def _event(row: dict[str, Any]) -> str:
    mark = "" if row["level"] == "info" else f"{row['level']}: "
    return f"{_at(row['at'])}  {row['change_id'] or '-':<10}  {mark}{row['message']}"


def _commit(row: dict[str, Any]) -> str:
    return (
        f"{_at(row['committed_at'])}  {row['change_id']}  {row['name']:<14} {row['reason']:<20}"
        f" {row['version'][:19]}"
    )


def _model(row: dict[str, Any]) -> str:
    state = " LIVE" if row["is_live"] else ""
    why = row["verdict"]["why"]
    return (
        f"{_at(row['created_at'])}  {row['name']:<9} of training@{row['commit_seq']},"
        f" {row['steps']} steps{state}: {why}"
    )


def _output(row: dict[str, Any]) -> str:
    by = f"model@{row['model_number']}" if row["model_number"] else row["model_digest"][:19]
    return f"{_at(row['published_at'])}  {row['path']}  {row['state']}, by {by}"


def _at(at: str) -> str:
    return at[:19].replace("T", " ")
