"""`pixd status`: how everything is, from the store and the heartbeat, quickly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixd import status, status_text
from pixd.commands import settings_of

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Print the status; the exit code says the state."""
    snapshot = status.snapshot(settings_of(args))
    if args.json:
        print(json.dumps(snapshot, sort_keys=True, indent=1))
    else:
        print(status_text.render(snapshot), end="")
    return status.EXIT_CODES[snapshot["state"]]
