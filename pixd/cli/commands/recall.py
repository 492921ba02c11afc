"""`pixd recall`: take one image out of everything that it touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.cli.change import ask
from pixd.cli.configuration import pick_pipeline, settings_of
from pixd.cli.naming import digest_of_file_or_name
from pixd.cli.terminal import warn
from pixd.store import connection
from pixd.system.errors import EXIT_FAILED, EXIT_OK
from pixd.system.wording import counted, duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SHOWN = 10


def run(args: argparse.Namespace) -> int:
    """Say what a recall would do; do it with --yes; or prove that it was done."""
    settings = settings_of(args)
    pipeline = pick_pipeline(settings, args.pipeline)
    reader = connection.open_reader(settings.store)
    digest = digest_of_file_or_name(reader, pipeline, args.file)
    reader.close()
    mode = "proof" if args.proof else "undo" if args.undo else "apply" if args.yes else "plan"
    found = ask(
        settings, "recall", pipeline=pipeline.name, digest=digest, name=args.file, mode=mode
    )
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
    else:
        for line in _lines(mode, found, args.file):
            print(line)
        if mode == "plan":
            warn(f"nothing was done; to do it: pixd recall --yes {args.file}")
    still_there = mode == "proof" and (found["outputs"] or found["live"])
    return EXIT_FAILED if still_there else EXIT_OK


def _lines(mode: str, found: dict[str, Any], name: str) -> Iterator[str]:
    if mode == "proof":
        yield from _proof(found, name)
    elif mode == "undo":
        if kept_by := found["kept_by"]:
            yield f"the recall of {name} is undone; it stays out with {', '.join(kept_by)}, which it was"
            yield "taught from and which is recalled too"
        else:
            yield f"{name} is let in again; the files that hold it are read again"
    else:
        yield from _plan(found, name)
        if mode == "apply":
            yield f"the rest follows while the service runs: pixd wait {found['change']}"


def _plan(found: dict[str, Any], name: str) -> Iterator[str]:
    yield f"{name}  {found['digest'][:19]}"
    for kind, paths in found["files"].items():
        for path in paths:
            yield f"  taken out of {kind}: {path} (the file itself stays where it is)"
    for path in found["taught"]:
        yield f"  taken out of training, as it was taught from it: {path} (the file stays)"
    yield f"  models that descend from it: {_models(found['models'])}"
    live, after = found["live"], found["live_after"]
    if live == after:
        yield f"  live: {live or 'none'}, as before"
    else:
        yield f"  live: {after or 'none until a new one is trained'} instead of {live}"
    for what in ("replaced", "withdrawn", "edited"):
        if found[what]:
            left = " by hand, left as they are" if what == "edited" else ""
            yield f"  outputs {what}{left}: {len(found[what])}"
            yield from (f"    {path}" for path in found[what][:SHOWN])
            if len(found[what]) > SHOWN:
                yield f"    ... and {len(found[what]) - SHOWN} more (--json has all)"
    yield from _to_remove(found.get("to_remove", {}))
    if found["retrain"]:
        train_s = found["estimate"]["train_s"]
        about = f", about {duration(train_s)} as the last ones took" if train_s else ""
        yield f"  a training on what is left follows{about}"
    translate_s = found["estimate"]["translate_s"]
    if translate_s and found["replaced"]:
        yield f"  translating again: about {duration(translate_s)}"


def _to_remove(found: dict[str, str]) -> Iterator[str]:
    if found:
        yield f"  of these could not be removed yet, and will be by the service: {len(found)}"
        yield from (f"    {path}: {why}" for path, why in list(found.items())[:SHOWN])
        if len(found) > SHOWN:
            yield f"    ... and {len(found) - SHOWN} more (--json has all)"


def _models(models: list[dict[str, str]]) -> str:
    words = {"train": "trained on it", "held_out": "scored on it"}
    return ", ".join(f"{m['name']} ({words.get(m['how'], m['how'])})" for m in models) or "none"


def _proof(found: dict[str, Any], name: str) -> Iterator[str]:
    if not found["is_recalled"]:
        yield f"{name} is not recalled"
    total = len(found["outputs"])
    exist = "exists" if found["checked"] == 1 else "exist"
    verb = "descend" if total > 1 else "descends"
    yield f"{counted(found['checked'], 'output')} {exist}; {total or 'none'} of them {verb} from {name}"
    for path in found["outputs"]:
        why = found["to_remove"].get(path)
        waits = "" if why is None else f": withdrawn and still to be removed{why and ': '}{why}"
        yield f"  {path}{waits}"
    if found["live"]:
        yield f"the live {found['live']} descends from it"
    if found["edited"]:
        yield f"edited by hand since, and left: {', '.join(found['edited'])}"
