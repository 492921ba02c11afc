"""`pixd verify`: re-hash and re-derive everything that is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.cli.configuration import settings_of
from pixd.cli.terminal import Progress, bar
from pixd.store import connection
from pixd.store.verify import Verification, verify
from pixd.system.errors import EXIT_FAILED, EXIT_OK
from pixd.system.wording import counted, size

if TYPE_CHECKING:
    import argparse

SHOWN = 8


def run(args: argparse.Namespace) -> int:
    """Verify the store of the configuration with its outputs, or a copied store alone."""
    outputs: dict[str, Path] = {}
    if args.store:
        store = Path(args.store).absolute()
    else:
        settings = settings_of(args)
        store = settings.store
        outputs = {p.name: p.output for p in settings.pipelines}
    reader = connection.open_reader(store)
    progress = Progress()

    def show(what: str, done: int, total: int) -> None:
        if done % 16 == 0 or done == total:
            progress.show(f"{what} {bar(done, total)} {done}" + (f" of {total}" if total else ""))

    try:
        found = verify(reader, store, outputs, show)
    finally:
        progress.clear()
    if args.json:
        told = {**found._asdict(), "findings": [f._asdict() for f in found.findings]}
        print(json.dumps(told, sort_keys=True, indent=1))
    else:
        _print(found)
    return EXIT_FAILED if found.findings else EXIT_OK


def _print(found: Verification) -> None:
    for finding in found.findings:
        print(f"{finding.what} {finding.name}: {finding.problem}")
        for name in finding.depends[:SHOWN]:
            print(f"  depends on it: {name}")
        if len(finding.depends) > SHOWN:
            print(f"  ... and {len(finding.depends) - SHOWN} more (--json)")
    print(
        f"{counted(found.objects, 'object')} ({size(found.bytes)}),"
        f" {counted(found.commits, 'commit')} and {counted(found.outputs, 'output')}: {len(found.findings) or 'nothing'} wrong"
    )
