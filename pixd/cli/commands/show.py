"""`pixd show`: one commit, model, run or output in full."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.cli.configuration import settings_of
from pixd.cli.naming import pipeline_and_thing, whole_digest
from pixd.store import connection
from pixd.store.queries import changes, history
from pixd.system.digests import hash_file
from pixd.system.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pixd.store.connection import Reader

CHANGE_ID = re.compile("[0-9a-f]{10}")
SHOWN_CHANGES = 40


def run(args: argparse.Namespace) -> int:
    """Print what THING is."""
    settings = settings_of(args)
    chosen, thing = pipeline_and_thing(args, settings, args.thing)
    pipeline = chosen.name
    reader = connection.open_reader(settings.store)
    found = _find(reader, pipeline, thing)
    if found is None:
        raise UsageError(
            f"there is no {thing} in {pipeline}", advice="`pixd log` lists what there is"
        )
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
        return 0
    for line in _lines(found):
        print(line)
    return 0


def _find(reader: Reader, pipeline: str, thing: str) -> Any:
    kind, _, which = thing.partition("@")
    if which and kind in {"training", "input"}:
        return history.commit(reader, pipeline, kind, which)
    if thing == "live":
        return history.model(reader, pipeline, None)
    if which and kind in {"model", "run"}:
        if not which.isdigit():
            raise UsageError(f"{thing} is no {kind}", advice=f"{kind}@3")
        number = int(which)
        return (
            history.model(reader, pipeline, number)
            if kind == "model"
            else history.run(reader, number)
        )
    if thing.startswith("sha256:"):
        return history.by_digest(reader, whole_digest(reader, thing))[0]
    if Path(thing).is_file():
        return next(iter(history.by_digest(reader, hash_file(Path(thing)))), None)
    if CHANGE_ID.fullmatch(thing):
        return changes.change(reader, thing)
    raise UsageError(
        f"what is {thing}?",
        advice="training@3, input@HEAD, model@1, run@7, live, sha256:ab12cd34, a change or a file",
    )


def _lines(value: Any, indent: int = 0) -> Iterator[str]:
    """Write nested mappings as indented text, without what is empty."""
    pad = "  " * indent
    for name, part in value.items():
        if part is None or part in ({}, [], ""):
            continue
        if isinstance(part, dict):
            yield f"{pad}{name}:"
            yield from _lines(part, indent + 1)
        elif isinstance(part, list):
            yield f"{pad}{name}: {len(part)}"
            for member in part[:SHOWN_CHANGES]:
                yield f"{pad}  {_flat(member)}"
            if len(part) > SHOWN_CHANGES:
                yield f"{pad}  ... and {len(part) - SHOWN_CHANGES} more (--json has all)"
        elif isinstance(part, float):
            yield f"{pad}{name}: {part:.6g}"
        else:
            yield f"{pad}{name}: {part}"


def _flat(member: Any) -> str:
    if not isinstance(member, dict):
        return str(member)
    if "old_digest" in member:
        old, new = member["old_digest"], member["new_digest"]
        sign = "+" if old is None else "-" if new is None else "~"
        return f"{sign} {member['path']}  {(new or old)[:19]}"
    return ", ".join(f"{k} {v}" for k, v in member.items() if v not in (None, ""))
