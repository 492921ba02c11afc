"""`pixd gc`: what bytes could be removed and why; to the trash and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pixd.cli.change import ask
from pixd.cli.configuration import settings_of
from pixd.cli.terminal import warn
from pixd.system.wording import counted, is_or_are, size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

SHOWN = 12


def run(args: argparse.Namespace) -> int:
    """Say what could go; move it, bring it back, or remove it for good."""
    settings = settings_of(args)
    mode = "plan"
    if args.apply:
        mode = "apply"
    elif args.undo is not None:
        mode = "undo"
    elif args.empty_trash:
        mode = "empty"
    found = ask(settings, "gc", mode=mode, batch=args.undo or None)
    if args.json:
        print(json.dumps(found, sort_keys=True, indent=1))
        return 0
    for line in _lines(mode, found):
        print(line)
    if mode == "plan" and found["garbage"]:
        warn("nothing was done; to move it to the trash: pixd gc --apply")
    return 0


def _lines(mode: str, found: Mapping[str, Any]) -> Iterator[str]:
    if mode == "undo":
        yield f"{counted(found['objects'], 'object')} of {found['batch']} {is_or_are(found['objects'])} back"
        return
    if mode == "empty":
        yield f"{counted(found['objects'], 'object')}, {size(found['bytes'])}, removed for good"
        return
    garbage = found["garbage"]
    total = sum(one["size_bytes"] for one in garbage)
    for one in garbage[:SHOWN]:
        yield f"{size(one['size_bytes']):>9}  {one['name']}  ({one['why']})"
    if len(garbage) > SHOWN:
        yield f"           ... and {len(garbage) - SHOWN} more (--json has all)"
    verb = "moved to the trash" if mode == "apply" else "could be removed"
    yield f"{size(total)} in {counted(len(garbage), 'object')} {verb}"
    if mode == "apply" and garbage:
        yield f"bring them back: pixd gc --undo {found['batch']}; free the space: pixd gc --empty-trash"
    for batch in found["trash"]:
        yield f"in the trash: {batch['batch']}, {counted(batch['objects'], 'object')}, {size(batch['bytes'])}"
