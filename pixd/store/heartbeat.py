"""The service's heartbeat in the store: what only the running service knows, for readers.

Written by `pixd.service.heartbeat`, once a second or so; no part of the record.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

LIVE = "service.json"  # what only the running service knows; see write_live
LIVE_BLOCK_BYTES = 4096  # padded by more than one, so that a longer one fits in place


def write_live(folder: Path, live: dict[str, object]) -> None:
    """Publish the service's heartbeat for readers. Not durable: it is true only while it runs.

    On a full disk it is written over the last one in place, which takes no new block: a store
    that cannot be written must still say so.

    Raises:
        OSError: the disk refuses that too.
    """
    text = json.dumps(live, sort_keys=True)
    text = text.ljust((len(text) // LIVE_BLOCK_BYTES + 2) * LIVE_BLOCK_BYTES)
    temporary = folder / f".{LIVE}.tmp"
    try:
        temporary.write_text(text)
        temporary.replace(folder / LIVE)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()  # its blocks are needed more
        with (folder / LIVE).open("r+") as standing:
            standing.write(text)
            standing.truncate()


def read_live(folder: Path) -> dict[str, object]:
    """Return the last heartbeat, or an empty mapping when there was none."""
    try:
        live = json.loads((folder / LIVE).read_text())
    except (OSError, ValueError):
        return {}
    return live if isinstance(live, dict) else {}
