"""`pixd log`: commits, models, outputs, or everything that happened, newest first.

Of one change also what came of it: runs, models that were made live, inputs and outputs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.store import connection
from pixd.store.queries import changes, history
from pixd.system.errors import UsageError
from pixd.system.wording import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pixd.store.connection import Reader

REPOS = ("training", "input", "model", "models", "output", "outputs")


def run(args: argparse.Namespace) -> int:
    """Print the log of one repo, or of all that happened."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline).name
    reader = connection.open_reader(settings.store)
    change, came = None, None
    if args.repo and args.repo not in REPOS:
        change = changes.whole_id(reader, args.repo)
    if change:
        came = changes.change(reader, change)
        assert came is not None  # its id was looked up
        rows, line = came["events"][::-1][: args.n], _event
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
    told = [line(row) for row in rows]
    told += _came_of(reader, came, args.n) if came else ()
    print("\n".join(told) or "nothing yet")
    return 0


def _came_of(reader: Reader, found: Mapping[str, Any], limit: int) -> Iterator[str]:
    """Yield what came of a change beside its events, with at most `limit` names of outputs."""
    if (more := len(found["events"]) - limit) > 0:
        yield f"... and {counted(more, 'earlier event')} (-n {len(found['events'])} shows all)"
    if found["commits"]:
        yield f"{'commits':<9}{', '.join(commit['name'] for commit in found['commits'])}"
    if found["runs"]:
        runs = (f"{_by_state(states)} ({kind})" for kind, states in found["runs"].items())
        yield f"{'runs':<9}{', '.join(runs)}"
    for ref in found["refs"]:
        yield f"{'live':<9}{ref['model'] or 'none'}: {ref['why']}"
    if found["files"]:
        yield f"{'files':<9}{_by_state(found['files'])}"
    if found["outputs"]:
        yield f"{'outputs':<9}{_by_state(found['outputs'])}"
        rows = changes.outputs(reader, found["change"], limit)
        yield from (f"  {row['path']}" + _made_by(row) for row in rows)
        if (more := sum(found["outputs"].values()) - len(rows)) > 0:
            yield f"  ... and {more} more (-n {len(rows) + more} shows all)"


def _by_state(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _made_by(row: Mapping[str, Any]) -> str:
    by = f", by model@{row['model_number']}" if row["model_number"] else ""
    return f"  {row['state']}{by}"


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
